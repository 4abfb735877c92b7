package main

import (
	"net/http"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/stage"
)

// owners returns who calls: who signed the request, or whose key it carries, as
// API Gateway verified it; empty, which is refused, when it verified neither.
// The gateway's own event says so itself. A load balancer's has it in a header
// that the gateway before it overwrites, and in no other event is that header
// believed.
func owners(shared []string) func(*http.Request) string {
	return func(r *http.Request) string {
		if _, ok := core.GetTargetGroupRequetFromContextALB(r.Context()); ok {
			return stage.Owner(httpapi.BalancedOwner(r), shared)
		}
		c, ok := core.GetAPIGatewayV2ContextFromContext(r.Context())
		if !ok || c.Authorizer == nil {
			return ""
		}
		if c.Authorizer.IAM != nil {
			return stage.Owner(c.Authorizer.IAM.UserARN, shared)
		}
		owner, _ := c.Authorizer.Lambda[names.KeyOwner].(string)
		return owner
	}
}
