package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

func TestWireSaysWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		says string
	}{
		"nothing":   {nil, "PARAGON_LOCAL_URL"},
		"no URL":    {map[string]string{"PARAGON_LOCAL_URL": "here"}, "PARAGON_LOCAL_URL"},
		"profiles":  {map[string]string{"PARAGON_LOCAL_URL": "http://127.0.0.1:1/s", "PARAGON_PROFILES": "/nowhere"}, "PARAGON_PROFILES"},
		"catalogue": {map[string]string{"PARAGON_LOCAL_URL": "http://127.0.0.1:1/s", "PARAGON_CATALOGUE": "x"}, "PARAGON_CATALOGUE"},
	} {
		_, _, err := wire(t.Context(), func(key string) string { return c.env[key] })
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// gateway is the handler behind the gateway's events, over a backend on one machine.
func gateway(t *testing.T) func(method, path, user string, body []byte) events.APIGatewayV2HTTPResponse {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	server := httptest.NewServer(sqlite.NewServer(backend))
	t.Cleanup(server.Close)
	url := server.URL + "/" + backend.Register("api")
	env := map[string]string{"PARAGON_LOCAL_URL": url, "PARAGON_SIGNING_KEYS": `{"current":"` + strings.Repeat("QUJD", 16) + `"}`}
	h, _, err := wire(t.Context(), func(key string) string { return env[key] })
	if err != nil {
		t.Fatal(err)
	}
	return func(method, path, user string, body []byte) events.APIGatewayV2HTTPResponse {
		t.Helper()
		path, parameters, _ := strings.Cut(path, "?")
		e := events.APIGatewayV2HTTPRequest{
			RawPath: path, RawQueryString: parameters, Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true,
			Headers: map[string]string{"content-type": "image/png"},
		}
		e.RequestContext.HTTP.Method, e.RequestContext.DomainName = method, "abc.execute-api.us-east-1.amazonaws.com"
		if user != "" {
			iam := events.APIGatewayV2HTTPRequestContextAuthorizerIAMDescription{UserARN: user}
			e.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{IAM: &iam}
		}
		got, err := httpadapter.NewV2(h).ProxyWithContext(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
}

func TestAQueryThroughTheGatewayIsItsCallersAlone(t *testing.T) {
	call := gateway(t)
	set, err := profiles.Load("")
	if err != nil {
		t.Fatal(err)
	}
	png, err := samplePicture(set)
	if err != nil {
		t.Fatal(err)
	}
	got := call("POST", "/v1/queries?task=fashion", "arn:aws:iam::1:user/ann", png)
	var q struct{ ID, State string }
	if err := json.Unmarshal([]byte(got.Body), &q); err != nil || got.StatusCode != http.StatusAccepted || q.State != "accepted" {
		t.Fatalf("answered %d: %s", got.StatusCode, got.Body)
	}
	for user, want := range map[string]int{"arn:aws:iam::1:user/ann": 200, "arn:aws:iam::1:user/bob": 404, "": 401} {
		if got := call("GET", "/v1/queries/"+q.ID, user, nil); got.StatusCode != want {
			t.Errorf("%q got %d: %s", user, got.StatusCode, got.Body)
		}
	}
}

// samplePicture is one of the test pictures that ship with the profiles.
func samplePicture(set *profiles.Set) ([]byte, error) {
	names, err := fs.Glob(set.Samples("fashion"), "*.png")
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no sample picture: %w", err)
	}
	return fs.ReadFile(set.Samples("fashion"), names[0])
}

// The api function does not simulate: its status names the command that does.
func TestTheStatusOfAnAccountNamesTheCommandThatSimulates(t *testing.T) {
	ask := gateway(t)
	got := ask("GET", "/v1/status", "me", nil)
	var status struct {
		Savings struct {
			Quoted bool
			Why    string
			Next   string
		}
	}
	body := got.Body
	if raw, err := base64.StdEncoding.DecodeString(body); got.IsBase64Encoded && err == nil {
		body = string(raw)
	}
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if status.Savings.Quoted || !strings.Contains(status.Savings.Next, "paragon savings --stage") || !strings.Contains(status.Savings.Why, "does not simulate") {
		t.Errorf("%d %s", got.StatusCode, body)
	}
}
