package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/aws/testserver"
)

// account is a terminal at an account, whose SSM answers with ssm.
func account(t *testing.T, ssm http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(ssm)
	t.Cleanup(server.Close)
	for _, v := range testserver.Env(server.URL) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
}

// says answers with a status and a body.
func says(status int, body any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body) // to a test's own client
	}
}

func parameter(value string) any {
	return map[string]any{"Parameter": map[string]string{"Value": value}}
}

const open = `{"endpoint":"https://abc.execute-api.us-east-1.amazonaws.com","authorizer":"iam","pools":["general"],"table":"q","state_table":"s","records_table":"r","bucket":"b","queue_url_prefix":"p-"}`

func TestAStageIsFoundByItsName(t *testing.T) {
	asked := ""
	account(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Header.Get("X-Amz-Target") + " " + string(body)
		says(http.StatusOK, parameter(open))(w, r)
	})
	s, err := Open(t.Context(), "dev")
	if err != nil {
		t.Fatal(err)
	}
	if s.Endpoint != "https://abc.execute-api.us-east-1.amazonaws.com" || s.Authorizer != names.ByIAM || s.Pools[0] != "general" || s.Name != "dev" {
		t.Errorf("found %+v", s)
	}
	if asked != `AmazonSSM.GetParameter {"Name":"/paragon-stages/dev"}` {
		t.Errorf("asked %s", asked)
	}
	if h, err := s.Backend(t.Context(), time.Now); err != nil || h.Settings == nil || h.Queues == nil {
		t.Errorf("home %+v, error %v", h, err)
	}
}

func TestTheStagesOfAnAccountAreListed(t *testing.T) {
	account(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if asked := r.Header.Get("X-Amz-Target"); asked != "AmazonSSM.DescribeParameters" || !strings.Contains(string(body), `"/paragon-stages/"`) {
			t.Errorf("asked %s %s", asked, body)
		}
		page := map[string]any{"Parameters": []map[string]string{{"Name": "/paragon-stages/prod"}}, "NextToken": "more"}
		if strings.Contains(string(body), `"more"`) {
			page = map[string]any{"Parameters": []map[string]string{{"Name": "/paragon-stages/dev"}}}
		}
		says(http.StatusOK, page)(w, r)
	})
	if got, err := Stages(t.Context()); err != nil || !slices.Equal(got, []string{"dev", "prod"}) {
		t.Errorf("%q, error %v", got, err)
	}
}

// Whatever stands in the way, the advice says what to do about it.
func TestWhatStandsInTheWay(t *testing.T) {
	fault := func(code string) http.HandlerFunc {
		return says(http.StatusBadRequest, map[string]string{"__type": code, "message": "no"})
	}
	for _, tc := range []struct {
		name   string
		ssm    http.HandlerFunc
		stage  string
		unset  []string
		is     error
		advice string
	}{
		{"no such stage", fault("ParameterNotFound"), "dev", nil, ErrNoStage, "AWS_REGION"},
		{"expired", fault("ExpiredTokenException"), "dev", nil, nil, "sign in again"},
		{"an unknown key", fault("UnrecognizedClientException"), "dev", nil, nil, "sign in again"},
		{"a wrong clock", fault("InvalidSignatureException"), "dev", nil, nil, "clock"},
		{"not allowed", fault("AccessDeniedException"), "dev", nil, nil, "-operator"},
		{"no region", fault("x"), "dev", []string{"AWS_REGION"}, ErrNoRegion, "AWS_REGION"},
		{"no credentials", fault("x"), "dev", []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, ErrNoCredentials, "AWS_PROFILE"},
		{"no name of a stage", fault("x"), "Dev!", nil, nil, ""},
		{"an empty stage parameter", says(http.StatusOK, parameter("{}")), "dev", nil, nil, ""},
		{"a stage parameter that cannot be parsed", says(http.StatusOK, parameter("{")), "dev", nil, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			account(t, tc.ssm)
			for _, name := range tc.unset {
				t.Setenv(name, "")
			}
			_, err := Open(t.Context(), tc.stage)
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) {
				t.Fatalf("error %v, want %v", err, tc.is)
			}
			if got := Advice(err); tc.advice == "" && got != "" || !strings.Contains(got, tc.advice) {
				t.Errorf("error %v: advice %q, want one with %q", err, got, tc.advice)
			}
		})
	}
}

func TestRegionOfAnEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://abc.execute-api.eu-west-1.amazonaws.com":      "eu-west-1",
		"https://abc.execute-api.cn-north-1.amazonaws.com.cn":  "cn-north-1",
		"https://api.example.com":                              "",
		"https://abc.execute-api.eu-west-1.amazonaws.com.evil": "",
		"http://127.0.0.1:8080":                                "", "": "", ":": "",
	} {
		if got, ok := Region(endpoint); got != want || ok != (want != "") {
			t.Errorf("%q: %q", endpoint, got)
		}
	}
}

// changes are what could become of a request and its body on their way.
var changes = map[string]func(r *http.Request, body []byte) []byte{
	"method": func(r *http.Request, body []byte) []byte { r.Method = "PUT"; return body },
	"path":   func(r *http.Request, body []byte) []byte { r.URL.Path += "x"; r.URL.RawPath = ""; return body },
	"query":  func(r *http.Request, body []byte) []byte { r.URL.RawQuery += "&z=1"; return body },
	"body":   func(_ *http.Request, body []byte) []byte { return bytes.Join([][]byte{body, {'x'}}, nil) },
	"host":   func(r *http.Request, body []byte) []byte { r.Host = "elsewhere"; return body },
	"token":  func(r *http.Request, body []byte) []byte { r.Header.Set("X-Amz-Security-Token", "other"); return body },
}

// What is signed is what is sent, held by a verifier of its own; each change of
// a request on its way breaks its signature.
func TestRequestsAreSigned(t *testing.T) {
	account(t, says(http.StatusOK, parameter(open)))
	t.Setenv("AWS_SESSION_TOKEN", "session")
	keys, err := Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Clone(t.Context())
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	cl, err := keys.Sign(server.Client(), server.URL, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	send := func(method, path, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		res, err := cl.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	secret := func(string) string { return "testing" }
	for _, tc := range []struct{ method, path, body string }{
		{"GET", "/v1/status", ""}, {"POST", "/v1/queries", `{"task":"fashion"}`}, {"GET", "/v1/queries/a%20b?limit=5&b=x%2Fy&a=", ""},
		{"DELETE", "/v1/queries/q1", ""},
	} {
		send(tc.method, tc.path, tc.body)
		who, err := testserver.Verify(got, body, secret, time.Now())
		if err != nil || who != (testserver.Signed{AccessKey: "testing", Region: testserver.Region, Service: "execute-api"}) {
			t.Errorf("%s %s: %+v, error %v", tc.method, tc.path, who, err)
		}
		for name, change := range changes {
			r := got.Clone(t.Context())
			if _, err := testserver.Verify(r, change(r, body), secret, time.Now()); err == nil {
				t.Errorf("%s %s: another %s and the same signature", tc.method, tc.path, name)
			}
		}
	}
	if _, err := testserver.Verify(got, body, secret, time.Now().Add(time.Hour)); err == nil {
		t.Error("a signature of an hour ago is good")
	}
}

// What goes elsewhere, as an upload to a bucket does, is not signed, and nothing
// is signed that others could read on its way.
func TestOnlyTheEndpointGetsASignature(t *testing.T) {
	account(t, says(http.StatusOK, parameter(open)))
	keys, err := Find(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Amz-Date") != "" {
			t.Errorf("signed: %v", r.Header)
		}
	}))
	defer server.Close()
	cl, err := keys.Sign(server.Client(), "https://abc.execute-api.us-east-1.amazonaws.com", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	res, err := cl.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Sign(server.Client(), "http://api.example.com", time.Now); err == nil {
		t.Error("a signature goes in the clear")
	}
}
