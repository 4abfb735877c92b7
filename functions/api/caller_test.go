package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

func TestCallerIsWhoTheGatewaySays(t *testing.T) {
	type authorizer = events.APIGatewayV2HTTPRequestContextAuthorizerDescription
	for _, tc := range []struct {
		given *authorizer
		want  string
	}{
		{nil, ""},
		{&authorizer{}, ""},
		{&authorizer{IAM: &events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: "arn:user"}}, "arn:user"},
		{&authorizer{Lambda: map[string]any{names.KeyOwner: "anna"}}, "anna"},
		{&authorizer{Lambda: map[string]any{names.KeyOwner: 7, "other": "anna"}}, ""},
	} {
		e := events.APIGatewayV2HTTPRequest{RawPath: "/", Headers: map[string]string{"authorization": "Bearer anna", names.KeyOwner: "anna", strings.ToLower(platform.OwnerHeader): "anna"}}
		e.RequestContext.HTTP.Method, e.RequestContext.DomainName = http.MethodGet, "api.example"
		e.RequestContext.Authorizer = tc.given
		var a core.RequestAccessorV2
		r, err := a.EventToRequestWithContext(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if got := owners(nil)(r); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.given, got, tc.want)
		}
	}
}

// A load balancer's event has the owner in the header that the gateway
// overwrites: once, or it is nobody's.
func TestCallerIsWhoTheBalancerSays(t *testing.T) {
	for _, tc := range []struct {
		given []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"arn:user"}, "arn:user"},
		{[]string{"arn:user", "arn:user"}, ""},
		{[]string{"arn:user", ""}, ""},
		{[]string{"arn:aws:sts::1:assumed-role/ingest/i-1"}, "arn:aws:iam::1:role/ingest"},
	} {
		e := events.ALBTargetGroupRequest{HTTPMethod: http.MethodGet, Path: "/", MultiValueHeaders: map[string][]string{
			"authorization": {"Bearer anna"}, strings.ToLower(platform.OwnerHeader): tc.given}}
		var a core.RequestAccessorALB
		r, err := a.EventToRequestWithContext(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if got := owners([]string{"ingest"})(r); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.given, got, tc.want)
		}
	}
}
