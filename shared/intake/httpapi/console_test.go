package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/platform"
)

// consoled is the console of a stage whose API is the handler of another stage, with the
// paths that the API was asked for.
func consoled(t *testing.T) (s *stage, asked *[]string) { return comparing(t, nil) }

// comparing is a console that knows what other schemes would have cost.
func comparing(t *testing.T, savings func() *api.Savings) (s *stage, asked *[]string) {
	t.Helper()
	own, _, _ := operated(t)
	elsewhere := newStage(t)
	asked = &[]string{}
	console, err := NewConsole(ConsoleOptions{
		API: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*asked = append(*asked, r.URL.Path)
			elsewhere.handler.ServeHTTP(w, r)
		}),
		Savings:    savings,
		Operations: own.operations,
		Operator:   func(r *http.Request) bool { return r.Header.Get(api.OperatorHeader) == "mine" },
		Advice:     func(err error) string { return err.Error() + "; ask for the policy" },
	})
	if err != nil {
		t.Fatal(err)
	}
	own.handler = console
	return own, asked
}

func TestAConsoleAnswersItsUserAlone(t *testing.T) {
	s, asked := consoled(t)
	for _, path := range []string{"/v1/status", "/v1/settings", "/v1/live?watch=/v1/status", "/v1/models", "/v1/queries"} {
		checkProblem(t, s.bare(t, "GET", path, ""), "not-operator", 403, api.OperatorHeader)
		checkProblem(t, s.bare(t, "GET", path, "", api.OperatorHeader, "yours"), "not-operator", 403, api.OperatorHeader)
	}
	r := httptest.NewRequest("GET", "http://stage.example.com/v1/status", nil)
	r.Header.Set(api.OperatorHeader, "mine")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("another host's name gets %d", w.Code)
	}
	checkProblem(t, s.bare(t, "POST", "/v1/queries", "{}", api.OperatorHeader, "mine", "Origin", "https://example.com", "Content-Type", "application/json"), "wrong-host", 403, "Origin")
	if len(*asked) > 0 {
		t.Errorf("the API was asked for %v", *asked)
	}
}

// What the API of an account leaves out is answered by the console, and the rest by one
// request to the API.
func TestAConsoleWatchesBothByOneRequest(t *testing.T) {
	s, asked := consoled(t)
	paths := []string{"/v1/status", "/v1/decisions?limit=30", "/v1/queries?limit=20", "/v1/workers?limit=20", "/v1/history?hours=1", "/v1/settings"}
	var live api.Live
	s.bare(t, "GET", "/v1/live?watch="+strings.Join(paths, "&watch="), "", api.OperatorHeader, "mine").into(t, &live)
	var got []string
	for _, p := range live.Parts {
		got = append(got, p.Path)
		if p.Path != "/v1/history?hours=1" && p.Status != 200 { // which the API of this test does not keep
			t.Errorf("%s: %d %s", p.Path, p.Status, p.Body)
		}
	}
	slices.Sort(got)
	slices.Sort(paths)
	if !slices.Equal(got, paths) || live.AgainSeconds != pollSeconds {
		t.Errorf("parts %v, again in %d s", got, live.AgainSeconds)
	}
	if !slices.Equal(*asked, []string{"/v1/live"}) {
		t.Errorf("the API was asked for %v", *asked)
	}
	checkProblem(t, s.bare(t, "GET", "/v1/live?watch=/v1/models", "", api.OperatorHeader, "mine"), "bad-field", 400, "watch")
}

// What other schemes would have cost is put into the status, alone and among other parts, and
// all else stays as the API answers it.
func TestAConsolePutsSavingsIntoTheStatus(t *testing.T) {
	plain, _ := consoled(t)
	was := map[string]json.RawMessage{}
	plain.bare(t, "GET", "/v1/status", "", api.OperatorHeader, "mine").into(t, &was)
	s, _ := comparing(t, func() *api.Savings { return &api.Savings{CostUSD: 7} })
	read := func() (status map[string]json.RawMessage) {
		s.bare(t, "GET", "/v1/status", "", api.OperatorHeader, "mine").into(t, &status)
		return status
	}
	watched := func() (status map[string]json.RawMessage) {
		var live api.Live
		s.bare(t, "GET", "/v1/live?watch=/v1/queries&watch=/v1/status&watch=/v1/settings", "", api.OperatorHeader, "mine").into(t, &live)
		for _, p := range live.Parts {
			if strings.Contains(string(p.Body), `"cost_usd":7`) != (p.Path == "/v1/status") {
				t.Errorf("%s: %s", p.Path, p.Body)
			}
			if p.Path == "/v1/status" {
				if err := json.Unmarshal(p.Body, &status); err != nil {
					t.Fatal(err)
				}
			}
		}
		return status
	}
	for name, status := range map[string]map[string]json.RawMessage{"alone": read(), "among others": watched()} {
		if !strings.Contains(string(status["savings"]), `"cost_usd":7`) {
			t.Errorf("%s: savings %s", name, status["savings"])
		}
		for member := range was {
			if _, ok := status[member]; !ok {
				t.Errorf("%s: without %s", name, member)
			}
		}
	}
	s.handler.(*console).api = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no status", http.StatusBadGateway) })
	if got := s.bare(t, "GET", "/v1/status", "", api.OperatorHeader, "mine"); got.StatusCode != http.StatusBadGateway || string(got.body) != "no status\n" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// The history of the API gets what other schemes would have cost in each step.
func TestAConsolePutsCostsIntoTheHistory(t *testing.T) {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	s, _ := comparing(t, func() *api.Savings {
		return &api.Savings{Verdict: calibration.Verdict{Quoted: true}, From: noon, To: noon.Add(time.Hour), Others: []api.SchemeCost{{Scheme: "kpa", HoursUSD: []float64{6}}}}
	})
	past := api.History{StepSeconds: 60, AtUnixSeconds: []int64{noon.Unix()}, CostUSD: []float64{1}, Queued: []int{3}}
	s.handler.(*console).api = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(past) })
	var got api.History
	s.bare(t, "GET", "/v1/history?hours=1", "", api.OperatorHeader, "mine").into(t, &got)
	if usd := got.OthersUSD["kpa"]; !slices.Equal(usd, []float64{0.1}) || !slices.Equal(got.CostUSD, past.CostUSD) || !slices.Equal(got.Queued, past.Queued) {
		t.Errorf("%+v", got)
	}
}

func TestAConsoleOperates(t *testing.T) {
	s, asked := consoled(t)
	mine := []string{api.OperatorHeader, "mine"}
	put := s.bare(t, "PUT", "/v1/settings/max_workers", `{"value":"7"}`, append(mine, "Content-Type", "application/json")...)
	if put.StatusCode != 200 {
		t.Fatalf("status %d: %s", put.StatusCode, put.body)
	}
	checkProblem(t, s.bare(t, "PUT", "/v1/settings/max_workers", `{"value":"-1"}`, append(mine, "Content-Type", "application/json")...), "bad-setting", 422, "value")
	var list api.Decisions
	s.bare(t, "GET", "/v1/decisions", "", mine...).into(t, &list)
	if len(list.Decisions) != 1 {
		t.Fatalf("decisions %+v", list)
	}
	s.bare(t, "GET", "/v1/decisions/"+list.Decisions[0].ID, "", mine...)
	checkProblem(t, s.bare(t, "GET", "/v1/decisions/none", "", mine...), "not-found", 404, "")
	checkProblem(t, s.bare(t, "POST", "/v1/uploads", `{"content_type":"image/png"}`, append(mine, "Content-Type", "application/json")...), "input-too-large", 413, "content_type")
	if len(*asked) > 0 {
		t.Errorf("the API was asked for %v", *asked)
	}
	if got := s.bare(t, "GET", "/v1/models", "", mine...); got.StatusCode != 200 || !slices.Equal(*asked, []string{"/v1/models"}) {
		t.Errorf("models: %d, asked for %v", got.StatusCode, *asked)
	}
}

// A part that its user may not read says why and what to do, and the others are as they are.
func TestAConsoleSaysWhatItMayNotRead(t *testing.T) {
	s, _ := consoled(t)
	s.operations.Backend.DecisionLog = sealed{s.operations.Backend.DecisionLog}
	var live api.Live
	s.bare(t, "GET", "/v1/live?watch=/v1/decisions&watch=/v1/settings", "", api.OperatorHeader, "mine").into(t, &live)
	if p := live.Parts[0]; p.Status != 500 || !strings.Contains(string(p.Body), "AccessDenied: dynamodb:Query; ask for the policy") {
		t.Errorf("decisions: %d %s", p.Status, p.Body)
	}
	if p := live.Parts[1]; p.Status != 200 {
		t.Errorf("settings: %d %s", p.Status, p.Body)
	}
}

// sealed is a decision log that may not be read.
type sealed struct{ platform.DecisionLog }

func (sealed) Entries(_ context.Context, _ platform.EntryQuery) ([]platform.Entry, error) {
	return nil, errors.New("AccessDenied: dynamodb:Query")
}

// Where the API refuses, each of its paths says so, and what is answered here stays.
func TestAConsoleWithoutItsAPI(t *testing.T) {
	s, _ := consoled(t)
	s.handler.(*console).api = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"message":"Forbidden"}`))
	})
	var live api.Live
	s.bare(t, "GET", "/v1/live?watch=/v1/status&watch=/v1/queries&watch=/v1/settings", "", api.OperatorHeader, "mine").into(t, &live)
	for i, want := range []int{200, 403, 403} {
		if live.Parts[i].Status != want {
			t.Errorf("%s: %d, want %d", live.Parts[i].Path, live.Parts[i].Status, want)
		}
	}
}
