package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// echo answers with what it was asked.
func echo(t *testing.T) function {
	return newFunction(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Add("X-Twice", "one")
		w.Header().Add("X-Twice", "two")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + " " + strings.Join(r.URL.Query()["a b"], "|") + " " + strings.Join(r.Header["X-Asked"], "|") + " " + string(body)))
	}))
}

const heard = "POST /v1/queries x y|z&=1 p the body"

func TestAnEventOfTheGateway(t *testing.T) {
	e := events.APIGatewayV2HTTPRequest{RawPath: "/v1/queries", RawQueryString: "a+b=x%20y&a%20b=z%26%3D1", Headers: map[string]string{"x-asked": "p"},
		Body: base64.StdEncoding.EncodeToString([]byte("the body")), IsBase64Encoded: true}
	e.RequestContext.HTTP.Method = http.MethodPost
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	said, err := echo(t).Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var got events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(said, &got); err != nil || got.StatusCode != http.StatusAccepted || got.Body != heard {
		t.Errorf("%+v, want %q; error %v", got, heard, err)
	}
}

// The load balancer hands on what it got: headers with several values, and
// parameters as they were encoded.
func TestAnEventOfTheBalancer(t *testing.T) {
	for name, e := range map[string]events.ALBTargetGroupRequest{
		"encoded": {Body: base64.StdEncoding.EncodeToString([]byte("the body")), IsBase64Encoded: true,
			MultiValueQueryStringParameters: map[string][]string{"a+b": {"x%20y"}, "a%20b": {"z%26%3D1"}}},
		"plain": {Body: "the body", MultiValueQueryStringParameters: map[string][]string{"a+b": {"x+y", "z%26%3D1"}}},
	} {
		e.HTTPMethod, e.Path, e.MultiValueHeaders = http.MethodPost, "/v1/queries", map[string][]string{"x-asked": {"p"}, "host": {"internal"}}
		e.RequestContext.ELB.TargetGroupArn = "arn:group"
		payload, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		said, err := echo(t).Invoke(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		var got events.ALBTargetGroupResponse
		if err := json.Unmarshal(said, &got); err != nil || got.StatusCode != http.StatusAccepted || len(got.MultiValueHeaders["X-Twice"]) != 2 {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
		if other := strings.Replace(heard, "x y|z&=1", "z&=1|x y", 1); got.Body != heard && got.Body != other { // names are in no order
			t.Errorf("%s: %q, want %q", name, got.Body, heard)
		}
	}
}

func TestAnEventOfNeitherIsRefused(t *testing.T) {
	for _, payload := range []string{``, `[]`, `{}`, `{"requestContext":{}}`, `{"requestContext":{"http":{},"elb":{}}}`, `{"Records":[]}`} {
		if said, err := echo(t).Invoke(t.Context(), []byte(payload)); !errors.Is(err, errUnknownEvent) {
			t.Errorf("%s: %s, error %v", payload, said, err)
		}
	}
	for _, payload := range []string{`{"requestContext":{"http":{}},"body":7}`, `{"requestContext":{"elb":{}},"body":"?","isBase64Encoded":true}`} {
		if said, err := echo(t).Invoke(t.Context(), []byte(payload)); err == nil {
			t.Errorf("%s: %s, want an error", payload, said)
		}
	}
}
