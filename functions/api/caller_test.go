package main

import (
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"paragon/shared/cloud/aws/names"
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
		e := events.APIGatewayV2HTTPRequest{RawPath: "/", Headers: map[string]string{"authorization": "Bearer anna", names.KeyOwner: "anna"}}
		e.RequestContext.HTTP.Method, e.RequestContext.DomainName = http.MethodGet, "api.example"
		e.RequestContext.Authorizer = tc.given
		var a core.RequestAccessorV2
		r, err := a.EventToRequestWithContext(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if got := caller(r); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.given, got, tc.want)
		}
	}
}
