package main

import (
	"net/http"
	"slices"
	"strings"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"paragon/shared/cloud/aws/names"
)

// owners returns who calls: who signed the request, or whose key it carries, as
// API Gateway verified it; empty, which is refused, when it verified neither.
//
// Who took a role on is told apart from others who did by the session's name,
// which a sign-in service sets to the person's. Where that name is made up anew
// each time, as by instances and by most programs, the roles that are shared
// make their holders one owner: the role itself.
func owners(shared []string) func(*http.Request) string {
	return func(r *http.Request) string {
		c, ok := core.GetAPIGatewayV2ContextFromContext(r.Context())
		if !ok || c.Authorizer == nil {
			return ""
		}
		if c.Authorizer.IAM != nil {
			return owner(c.Authorizer.IAM.UserARN, shared)
		}
		owner, _ := c.Authorizer.Lambda[names.KeyOwner].(string)
		return owner
	}
}

// owner is the caller of an ARN, and the role's own ARN for a session of a
// shared role: arn:aws:sts::1:assumed-role/name/session is arn:aws:iam::1:role/name.
func owner(arn string, shared []string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "sts" {
		return arn
	}
	session := strings.Split(parts[5], "/")
	if len(session) != 3 || session[0] != "assumed-role" || !slices.Contains(shared, session[1]) {
		return arn
	}
	parts[2], parts[5] = "iam", "role/"+session[1]
	return strings.Join(parts, ":")
}
