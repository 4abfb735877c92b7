package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// account is a terminal at an account with the stage dev: its gateway takes
// what the right secret signed, its SSM knows where the stage is.
type account struct {
	*terminal
	gateway   string
	parameter names.StageParameter
	env       map[string]string
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{env: map[string]string{}}
	gateway := httptest.NewServer(guarded(t, &clienttest.API{}))
	t.Cleanup(gateway.Close)
	a.gateway = gateway.URL
	a.parameter = names.StageParameter{Endpoint: gateway.URL, Authorizer: names.ByIAM, Pools: []string{"general"}, StateTable: "s", RecordsTable: "r", Bucket: "b", QueueURLPrefix: "p", Catalogue: "fashion"}
	ssm := httptest.NewServer(http.HandlerFunc(a.ssm))
	t.Cleanup(ssm.Close)
	for _, v := range testserver.Env(ssm.URL) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	return a.again()
}

// again is a new command line at the same account.
func (a *account) again() *account {
	a.terminal = &terminal{Terminal: clitest.NewTerminalIn(newRoot, a.env)}
	return a
}

// ssm reports where the stage dev is, and knows no other.
func (a *account) ssm(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Name != names.StageParameterPath("dev") {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"ParameterNotFound"}`)
		return
	}
	parameter, err := json.Marshal(a.parameter)
	if err == nil {
		err = json.NewEncoder(w).Encode(map[string]any{"Parameter": map[string]string{"Value": string(parameter)}})
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// guarded lets through what the secret "testing" signed for this gateway.
func guarded(t *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		who, err := testserver.Verify(r, body, func(string) string { return "testing" }, time.Now())
		if err != nil || who.Service != "execute-api" || who.Region != testserver.Region {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"message":"Forbidden"}`)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// The commands work on a stage as they do on one machine: what they ask is
// signed, whatever it holds.
func TestCommandsWorkOnAStage(t *testing.T) {
	a := newAccount(t)
	picture := filepath.Join(t.TempDir(), "boot.png")
	writeFile(t, picture, "\x89PNG\r\n\x1a\nboot")
	text := a.says(t, cli.ExitOK, `"state":"succeeded"`, "submit", "--stage", "dev", "--task", "fashion", "--json", picture)
	var q struct{ ID string }
	if err := json.Unmarshal([]byte(text), &q); err != nil {
		t.Fatal(err)
	}
	a.again().says(t, cli.ExitOK, "ANSWERED", "status", "--stage", "dev")
	a.again().says(t, cli.ExitOK, "MODEL", "models", "--stage", "dev")
	a.again().says(t, cli.ExitOK, q.ID, "get", "--stage", "dev", q.ID)
	a.again().says(t, cli.ExitFailure, "already succeeded", "cancel", "--stage", "dev", q.ID)
	a.env[names.Stage] = "dev"
	a.again().says(t, cli.ExitOK, "ANSWERED", "status")
}

func TestWhatIsWrongOnTheWayToAStage(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*testing.T, *account)
		code   int
		want   string
		args   []string
	}{
		{"a stage that is not there", nil, cli.ExitUsage, "make deploy STAGE=", []string{"status", "--stage", "prod"}},
		{"no name of a stage", nil, cli.ExitUsage, "lower-case letters", []string{"status", "--stage", "Dev!"}},
		{"another secret", func(t *testing.T, _ *account) { t.Setenv("AWS_SECRET_ACCESS_KEY", "other") }, cli.ExitFailure,
			"aws sts get-caller-identity", []string{"status", "--stage", "dev"}},
		{"no credentials", func(t *testing.T, _ *account) { t.Setenv("AWS_SECRET_ACCESS_KEY", "") }, cli.ExitFailure, "AWS_PROFILE", []string{"models", "--stage", "dev"}},
		{"no region", func(t *testing.T, _ *account) { t.Setenv("AWS_REGION", "") }, cli.ExitFailure, "set AWS_REGION", []string{"tune", "list", "--stage", "dev"}},
		{"a key is asked for", func(_ *testing.T, a *account) { a.parameter.Authorizer = names.ByKeys }, cli.ExitUsage, "--token", []string{"status", "--stage", "dev"}},
		{"a gateway without its stage", nil, cli.ExitUsage, "name the stage with --stage", []string{"tune", "list", "--endpoint", "https://abc.execute-api.us-east-1.amazonaws.com"}},
		{"a signature in the clear", func(_ *testing.T, a *account) { a.parameter.Endpoint = "http://api.example.com" }, cli.ExitFailure, "must begin with https://", []string{"status", "--stage", "dev"}},
		{"an endpoint and the stage's environment", func(_ *testing.T, a *account) { a.env[names.Stage] = "prod" }, cli.ExitFailure, "nothing answers", []string{"status", "--endpoint", "http://127.0.0.1:1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAccount(t)
			if tc.change != nil {
				tc.change(t, a)
			}
			a.says(t, tc.code, tc.want, tc.args...)
		})
	}
}

// Where a stage asks for keys, the key goes as it does on one machine, and
// nothing is signed.
func TestAKeyGoesAsItIs(t *testing.T) {
	a := newAccount(t)
	keyed := httptest.NewServer(&clienttest.API{Token: "s3cret"})
	defer keyed.Close()
	a.parameter.Authorizer, a.parameter.Endpoint = names.ByKeys, keyed.URL
	a.says(t, cli.ExitOK, "ANSWERED", "status", "--stage", "dev", "--token", "s3cret")
	a.again().says(t, cli.ExitFailure, "--token", "status", "--stage", "dev", "--token", "wrong")
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The page on deploying says of each command that takes --stage what it may need, less
// those that are for one machine.
func TestThePageSaysWhatEachCommandOfAStageNeeds(t *testing.T) {
	page, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "### Who may run the stage")
	table, _, _ = strings.Cut(table, "\n### ")
	for _, c := range newRoot(clitest.NewTerminalIn(newRoot, nil).Terminal).Commands() {
		oneMachine := slices.Contains([]string{"model", "fault"}, c.Name())
		takes := c.Flag("stage") != nil
		for _, below := range c.Commands() {
			takes = takes || below.Flag("stage") != nil
		}
		if named := strings.Contains(table, "`"+c.Name()+"`"); named != (takes && !oneMachine) {
			t.Errorf("%s: takes a stage: %v, for one machine alone: %v, in the table: %v", c.Name(), takes, oneMachine, named)
		}
	}
}
