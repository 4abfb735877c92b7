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
		if got := owners(nil)(r); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.given, got, tc.want)
		}
	}
}

// Sessions of a role are as many owners, unless the role is shared: then they
// are one, and another role's, or another account's, still are not.
func TestOwnersOfRoles(t *testing.T) {
	for _, tc := range []struct{ arn, want string }{
		{"arn:aws:iam::1:user/ann", "arn:aws:iam::1:user/ann"},
		{"arn:aws:sts::1:assumed-role/people/ann@example.com", "arn:aws:sts::1:assumed-role/people/ann@example.com"},
		{"arn:aws:sts::1:assumed-role/ingest/i-0123", "arn:aws:iam::1:role/ingest"},
		{"arn:aws:sts::1:assumed-role/ingest/botocore-session-17", "arn:aws:iam::1:role/ingest"},
		{"arn:aws-cn:sts::2:assumed-role/ingest/x", "arn:aws-cn:iam::2:role/ingest"},
		{"arn:aws:sts::1:assumed-role/ingest2/x", "arn:aws:sts::1:assumed-role/ingest2/x"},
		{"arn:aws:sts::1:federated-user/ingest", "arn:aws:sts::1:federated-user/ingest"},
		{"arn:aws:iam::1:assumed-role/ingest/x", "arn:aws:iam::1:assumed-role/ingest/x"},
		{"arn:aws:sts::1:assumed-role/ingest", "arn:aws:sts::1:assumed-role/ingest"},
		{"ingest", "ingest"},
		{"", ""},
	} {
		if got := owner(tc.arn, []string{"batch", "ingest"}); got != tc.want {
			t.Errorf("%q is %q, want %q", tc.arn, got, tc.want)
		}
	}
}
