package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

type one struct{ header, owner string }

func (o one) Owner(_ context.Context, header string) (string, error) {
	if header == "broken" {
		return "", errors.New("down")
	}
	if header == o.header {
		return o.owner, nil
	}
	return "", nil
}

func TestHandle(t *testing.T) {
	for header, want := range map[string]any{"Bearer k": "anna", "Bearer x": nil, "": nil, "broken": nil} {
		out, err := handler{one{"Bearer k", "anna"}}.handle(t.Context(),
			events.APIGatewayV2CustomAuthorizerV2Request{Headers: map[string]string{"authorization": header}})
		if out.IsAuthorized != (want != nil) || out.Context[names.KeyOwner] != want || (err != nil) != (header == "broken") {
			t.Errorf("%q: %+v, %v", header, out, err)
		}
	}
}

func TestWireNamesWhatIsMissing(t *testing.T) {
	if _, err := wire(t.Context(), func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), names.Stage) {
		t.Errorf("%v", err)
	}
}
