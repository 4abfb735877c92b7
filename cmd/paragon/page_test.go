package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// pageOf is the page of the stage dev in an account.
func pageOf(t *testing.T, a *account) *httptest.Server {
	t.Helper()
	a.Stage = "dev"
	h, err := pageHandler(t.Context(), a.Terminal.Terminal, operator.Token("mine"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// ask asks the page as a browser does.
func ask(t *testing.T, s *httptest.Server, method, path, body, token string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{api.OperatorHeader: token, "Origin": s.URL, "Sec-Fetch-Site": "same-origin", "Cookie": "a=b", "Content-Type": "application/json", "Prefer": "wait=20"} {
		r.Header.Set(name, value)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	all, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, string(all)
}

// The page of a stage comes from this machine, and what it shows from the stage's API,
// which is asked in the user's name: signed, and with no more of the browser's headers
// than the API reads.
func TestThePageOfAStageAsksItsAPISigned(t *testing.T) {
	s := pageOf(t, newAccount(t))
	for path, want := range map[string]string{"/": "<!doctype html>", "/page/app.js": "startLive", "/samples/": ".png", "/v1/openapi.yaml": "openapi:"} {
		if status, text := ask(t, s, "GET", path, "", ""); status != 200 || !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
			t.Errorf("%s: %d %.80s", path, status, text)
		}
	}
	if status, text := ask(t, s, "GET", "/v1/status", "", "mine"); status != 200 || !strings.Contains(text, `"classes"`) {
		t.Errorf("status: %d %s", status, text)
	}
	query := `{"task":"fashion","class":"strict","max_latency_ms":1000,"input":{"content_type":"image/png","data":"iVBORw0KGgpib290"}}`
	status, text := ask(t, s, "POST", "/v1/queries", query, "mine")
	var q api.Query
	if err := json.Unmarshal([]byte(text), &q); err != nil || status != 200 || q.State != "succeeded" {
		t.Errorf("query: %d %s", status, text)
	}
	if status, _ := ask(t, s, "GET", "/v1/status", "", "other"); status != http.StatusForbidden {
		t.Errorf("without the page's token: %d", status)
	}
	if status, _ := ask(t, s, "GET", "/local/faults", "", "mine"); status != http.StatusNotFound {
		t.Errorf("faults of one machine: %d", status)
	}
}

// The sample pictures are those of the stage's catalogue: none where it has none.
func TestThePageOfAStageHasTheSamplesOfItsCatalogue(t *testing.T) {
	a := newAccount(t)
	a.parameter.Catalogue = "imagenet"
	s := pageOf(t, a)
	if status, text := ask(t, s, "GET", "/samples/", "", ""); status != 200 || text != "[]\n" {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := ask(t, s, "GET", "/samples/0000-ankle-boot.png", "", ""); status != http.StatusNotFound {
		t.Errorf("a sample of another catalogue: %d", status)
	}
}

// A caller's key goes with what the page asks, and the browser never has it.
func TestThePageOfAStageShowsTheUsersKey(t *testing.T) {
	a := newAccount(t)
	keyed := httptest.NewServer(&clienttest.API{Token: "s3cret"})
	defer keyed.Close()
	a.parameter.Authorizer, a.parameter.Endpoint = names.ByKeys, keyed.URL
	a.Token = "s3cret"
	if status, text := ask(t, pageOf(t, a), "GET", "/v1/status", "", "mine"); status != 200 {
		t.Errorf("status: %d %s", status, text)
	}
}

// What this user may not do, or where nothing answers, is said with what to do about it.
func TestThePageOfAStageSaysWhatFails(t *testing.T) {
	a := newAccount(t)
	a.parameter.Endpoint = "http://127.0.0.1:1"
	s := pageOf(t, a)
	if status, text := ask(t, s, "GET", "/v1/status", "", "mine"); status != http.StatusBadGateway || !strings.Contains(text, "does not answer") {
		t.Errorf("status: %d %s", status, text)
	}
	status, text := ask(t, s, "GET", "/v1/live?watch=/v1/status&watch=/v1/settings", "", "mine")
	var live api.Live
	if err := json.Unmarshal([]byte(text), &live); err != nil || status != 200 || len(live.Parts) != 2 {
		t.Fatalf("live: %d %s", status, text)
	}
	for _, p := range live.Parts { // SSM of this account knows no settings
		if p.Status < 500 || !strings.Contains(string(p.Body), `"detail"`) {
			t.Errorf("%s: %d %s", p.Path, p.Status, p.Body)
		}
	}
}

// Where the gateway refuses the user's credentials, each part says what to do about it.
func TestThePageOfAStageSaysWhoMayCall(t *testing.T) {
	a := newAccount(t)
	t.Setenv("AWS_SECRET_ACCESS_KEY", "other")
	status, text := ask(t, pageOf(t, a), "GET", "/v1/live?watch=/v1/status", "", "mine")
	var live api.Live
	if err := json.Unmarshal([]byte(text), &live); err != nil || status != 200 || len(live.Parts) != 1 {
		t.Fatalf("live: %d %s", status, text)
	}
	if p := live.Parts[0]; p.Status != http.StatusForbidden || !strings.Contains(string(p.Body), "the policy paragon-") {
		t.Errorf("status: %d %s", p.Status, p.Body)
	}
}

func TestThePageIsOfAStage(t *testing.T) {
	a := newAccount(t)
	a.says(t, cli.ExitUsage, "name a stage in an account with --stage", "page")
	a.again().says(t, cli.ExitUsage, "--port is 70000, not within 0 to 65535", "page", "--stage", "dev", "--port", "70000")
	a.again().says(t, cli.ExitUsage, "make deploy STAGE=", "page", "--stage", "prod")
}
