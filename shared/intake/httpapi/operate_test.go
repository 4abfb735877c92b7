package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// operated is a stage that may be operated, with one decision in its decision log.
func operated(t *testing.T) (*stage, *tuning.Source, []byte) { return operatedWith(t, nil) }

// operatedWith is operated by those whose requests operator accepts.
func operatedWith(t *testing.T, operator func(*http.Request) bool) (*stage, *tuning.Source, []byte) {
	t.Helper()
	s := newStage(t)
	tuned := tuning.New(s.cloud.Settings)
	var err error
	s.operations = &admin.Service{
		Backend: s.cloud, Tuned: func(context.Context) (tuning.State, error) { return tuned.State(), nil },
		Random: rand.Reader, Keys: func(context.Context) (signed.Keys, error) { return s.keys, nil },
		Unpack: func(b []byte) ([]byte, error) { return b, nil }, Pools: []string{"general"}, Timeline: s.backend, Now: time.Now,
	}
	s.handler, err = New(s.svc, Options{OpenAPI: docs.OpenAPI, Operator: operator, Operations: s.operations})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().UTC()
	r, _, err := decision.Make(decision.Case{At: at, Pool: "general", Settings: settings.Defaults(), Group: decision.Group{Max: 9},
		Snapshot: procurement.Snapshot{CoveredTo: at, ServiceMS: 100, Pool: procurement.Pool{Ready: 1, RunnersEach: 2}},
		Signals:  []decision.Signal{{Name: "x", Note: "a < b & c"}}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	lease, err := s.cloud.DecisionLog.AcquireLease(t.Context(), "me", time.Minute)
	if err == nil {
		err = s.cloud.DecisionLog.Commit(t.Context(), lease, nil, platform.Entry{ID: r.ID, Pool: "general", At: at, Line: r.Summary(), Moves: true, Record: raw, ForgetAt: at.Add(time.Hour)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, tuned, raw
}

func TestSettingsAreReadAndSet(t *testing.T) {
	s, tuned, _ := operated(t)
	put := func(name, body string) reply {
		return s.do(t, "PUT", "/v1/settings/"+name, []byte(body), "Content-Type", "application/json")
	}
	if got := put("max_workers", `{"value":"7"}`); got.StatusCode != 200 {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	if err := tuned.Refresh(t.Context()); err != nil || tuned.Current().MaxWorkers != 7 {
		t.Errorf("max_workers is %d, error %v", tuned.Current().MaxWorkers, err)
	}
	for _, bad := range []string{"-1", "NaN", "", "1e99", "seven"} {
		checkProblem(t, put("max_workers", `{"value":"`+bad+`"}`), "bad-setting", 422, "value")
	}
	checkProblem(t, put("max_workers", `{"value":7}`), "bad-field", 400, "value")
	checkProblem(t, put("max_workers", ``), "no-body", 400, "")
	checkProblem(t, put("colour", `{"value":"green"}`), "not-found", 404, "")
	var page struct {
		Version  int64
		Faults   []string
		Settings []api.Setting
	}
	s.do(t, "GET", "/v1/settings", nil).into(t, &page)
	if page.Version != 1 || len(page.Faults) != 0 || len(page.Settings) != len(settings.Fields()) {
		t.Errorf("version %d, faults %v, %d settings", page.Version, page.Faults, len(page.Settings))
	}
	var history struct{ Changes []platform.Change }
	s.do(t, "GET", "/v1/settings/max_workers/history", nil).into(t, &history)
	if len(history.Changes) != 1 || history.Changes[0].Value != "7" {
		t.Errorf("history %+v", history)
	}
	checkProblem(t, s.do(t, "GET", "/v1/settings/max_workers/history?limit=0", nil), "bad-field", 400, "limit")
}

// The record comes as it is stored, so that it replays.
func TestDecisionsAreReadToTheByte(t *testing.T) {
	s, _, raw := operated(t)
	var list struct{ Decisions []api.Decision }
	s.do(t, "GET", "/v1/decisions?moves=true", nil).into(t, &list)
	if len(list.Decisions) != 1 || !strings.Contains(list.Decisions[0].Line, "1 worker") {
		t.Fatalf("decisions %+v", list)
	}
	var one struct {
		Explanation string
		Record      json.RawMessage
	}
	s.do(t, "GET", "/v1/decisions/"+list.Decisions[0].ID, nil).into(t, &one)
	if !bytes.Equal(one.Record, raw) || !strings.Contains(one.Explanation, "a < b & c") {
		t.Errorf("%s\nis not %s", one.Record, raw)
	}
	if _, same, err := decision.Replay(one.Record); err != nil || !same {
		t.Errorf("it does not replay: %v", err)
	}
	checkProblem(t, s.do(t, "GET", "/v1/decisions/none", nil), "not-found", 404, "")
	s.do(t, "GET", "/v1/decisions?before="+list.Decisions[0].ID, nil).into(t, &list)
	if len(list.Decisions) != 0 {
		t.Errorf("before the first decision there are %+v", list)
	}
	checkProblem(t, s.do(t, "GET", "/v1/decisions?limit=101", nil), "bad-field", 400, "limit")
}

// Callers see what the stage does; settings and dead letters are for operators alone.
func TestCallersAreNoOperators(t *testing.T) {
	s, _, _ := operatedWith(t, func(r *http.Request) bool { return r.Header.Get(api.OperatorHeader) == "token" })
	value, limit := []byte(`{"value":"7"}`), []byte(`{"limit":1}`)
	for _, c := range []struct {
		method, path string
		body         []byte
	}{
		{"GET", "/v1/settings", nil}, {"PUT", "/v1/settings/max_workers", value}, {"GET", "/v1/settings/max_workers/history", nil},
		{"GET", "/v1/usage/owners", nil}, {"GET", "/v1/dead-letters", nil}, {"POST", "/v1/dead-letters/redrive", limit},
	} {
		for _, shown := range []string{"", "another"} {
			got := s.do(t, c.method, c.path, c.body, "Content-Type", "application/json", api.OperatorHeader, shown, "Authorization", "Bearer token")
			checkProblem(t, got, "not-operator", 403, api.OperatorHeader)
		}
		if got := s.do(t, c.method, c.path, c.body, "Content-Type", "application/json", api.OperatorHeader, "token"); got.StatusCode != http.StatusOK {
			t.Errorf("an operator's %s %s answered %d: %s", c.method, c.path, got.StatusCode, got.body)
		}
		foreign := s.foreign(t, c.method, c.path, c.body, "Content-Type", "application/json", api.OperatorHeader, "token", "Origin", "http://evil.example")
		if c.method != "GET" && foreign.StatusCode != http.StatusForbidden {
			t.Errorf("of another origin %s %s answered %d", c.method, c.path, foreign.StatusCode)
		}
	}
	var st api.Status
	if s.do(t, "GET", "/v1/status", nil).into(t, &st); !st.OperatorToken {
		t.Error("the status does not say that this caller needs a token to operate")
	}
	st = api.Status{}
	if s.do(t, "GET", "/v1/status", nil, api.OperatorHeader, "token").into(t, &st); st.OperatorToken {
		t.Error("the status says that an operator needs a token")
	}
	for _, path := range []string{"/v1/decisions", "/v1/status"} {
		if got := s.do(t, "GET", path, nil); got.StatusCode != http.StatusOK {
			t.Errorf("%s answered %d to a caller", path, got.StatusCode)
		}
	}
}

func TestWhereNobodyOperatesThereIsNothing(t *testing.T) {
	s := newStage(t)
	checkProblem(t, s.do(t, "GET", "/v1/settings", nil), "not-found", 404, "")
	checkProblem(t, s.do(t, "GET", "/v1/decisions", nil), "not-found", 404, "")
}

// Callers of a stage that is operated elsewhere read its past and their own usage, and
// nothing else of what operators see.
func TestThePastIsServedWhereNobodyOperates(t *testing.T) {
	s := newStageWith(t, func(c *intake.Config, o *Options) { o.Timeline = c.Votes.(platform.Timeline) }) // one backend is both
	row := timeline.Row{At: time.Now().Truncate(time.Minute).Add(-time.Minute), Tallies: []tally.Tally{{Key: tally.Key{Model: "m", Class: query.Strict}, Counts: tally.Counts{Answered: 3}}}}
	if err := s.cloud.Timeline.PutTimeline(t.Context(), timeline.Stored{Step: time.Minute, Row: row}); err != nil {
		t.Fatal(err)
	}
	var h api.History
	s.do(t, "GET", "/v1/history?hours=2", nil).into(t, &h)
	if len(h.AtUnixSeconds) != 1 || h.Classes[query.Strict].Answered[0] != 3 || h.StepSeconds != 60 {
		t.Errorf("history %+v", h)
	}
	checkProblem(t, s.do(t, "GET", "/v1/history?hours=0", nil), "bad-field", 400, "hours")
	for _, path := range []string{"/v1/settings", "/v1/workers", "/v1/decisions", "/v1/usage/owners", "/v1/dead-letters"} {
		checkProblem(t, s.do(t, "GET", path, nil), "not-found", 404, "")
	}
}

// Dead letters are looked at without a change, and put back by a body, which no
// web page of another origin can send.
func TestDeadLettersArePutBack(t *testing.T) {
	s, _, _ := operated(t)
	now := time.Now()
	id, err := signed.NewID(rand.Reader, signed.Stored, "anna", now, now.Add(time.Minute), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	m := query.Message{ID: s.keys.SignID(id), Owner: "anna", Task: "fashion", Model: "m", Class: query.Strict, AcceptedAt: now, DeadlineAt: now.Add(time.Second),
		ExpiresAt: id.ExpiresAt, ForgetAt: id.ForgetAt}
	if err := s.cloud.Queues.Send(t.Context(), platform.DeadLetters, m); err != nil {
		t.Fatal(err)
	}
	var seen, done api.DeadLetters
	s.do(t, "GET", "/v1/dead-letters?limit=5&queue=work", nil).into(t, &seen)
	if len(seen.Letters) != 1 || seen.Letters[0].Queue != "work-strict-general" || seen.Waiting != 1 {
		t.Errorf("seen %+v", seen)
	}
	post := func(body, kind string) reply {
		return s.do(t, "POST", "/v1/dead-letters/redrive", []byte(body), "Content-Type", kind)
	}
	checkProblem(t, post(`{}`, "text/plain"), "wrong-content-type", 415, "Content-Type")
	checkProblem(t, post(`{"limit":1.5}`, "application/json"), "bad-field", 400, "limit")
	checkProblem(t, post(`{"limit":101}`, "application/json"), "bad-field", 400, "limit")
	checkProblem(t, post(`{"queue":"dead-letters"}`, "application/json"), "bad-queue", 422, "queue")
	checkProblem(t, s.do(t, "GET", "/v1/dead-letters?queue=x", nil), "bad-queue", 422, "queue")
	post(`{"limit":1}`, "application/json").into(t, &done)
	if len(done.Letters) != 1 || done.Letters[0].Queue != string(platform.Overflow) || done.Waiting != 0 {
		t.Errorf("done %+v", done)
	}
}

// begun is the start of the last step that began a second ago or more. The past is read up
// to the last full second: in a step's first second its row is not in it yet.
func begun(step time.Duration) time.Time { return time.Now().Add(-time.Second).Truncate(step) }

// What is asked of the past and of the workers is checked against its bounds.
func TestThePastAndTheWorkersAreRead(t *testing.T) {
	s, _, _ := operated(t)
	row := timeline.Row{At: begun(time.Minute), Samples: 1, Ready: 2, OthersUSD: map[string]float64{"mixed": 1}, Tallies: []tally.Tally{{
		Key: tally.Key{Task: "t", Model: "m", Class: query.Strict}, Counts: tally.Counts{Answered: 2, Met: 1}, Latency: tally.NewHistogram(5, 9)}}}
	if err := s.backend.PutTimeline(t.Context(), timeline.Stored{Step: time.Minute, Row: row}); err != nil {
		t.Fatal(err)
	}
	var h api.History
	if got := s.do(t, "GET", "/v1/history?hours=6", nil); got.StatusCode != 200 || json.Unmarshal(got.body, &h) != nil {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	if len(h.AtUnixSeconds) != 1 || h.Classes[query.Strict].Answered[0] != 2 || len(h.Models) != 1 || h.Models[0].Model != "m" {
		t.Errorf("history %+v", h)
	}
	if got := s.do(t, "GET", "/v1/workers?state=ready", nil); got.StatusCode != 200 {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
	for path, field := range map[string]string{"/v1/history?hours=337": "hours", "/v1/history?hours=x": "hours", "/v1/workers?limit=201": "limit", "/v1/workers?offset=-1": "offset"} {
		checkProblem(t, s.do(t, "GET", path, nil), "bad-field", 400, field)
	}
}

// A caller reads its own usage and nobody else's, whatever it asks for. That of all is
// for those who run the stage.
func TestUsageIsTheCallersOwn(t *testing.T) {
	s, _, _ := operated(t)
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer ann")
	row := timeline.Row{At: begun(timeline.OwnersStep)}
	for owner, n := range map[string]int64{LocalOwner(r): 1, "local": 2, "": 4} {
		row.Owners = append(row.Owners, tally.OwnerTally{OwnerKey: tally.OwnerKey{Owner: owner, Task: "t"}, Counts: tally.Counts{Answered: n, CostUSD: float64(n)}})
	}
	if err := s.backend.PutTimeline(t.Context(), timeline.Stored{Step: timeline.OwnersStep, Row: row}); err != nil {
		t.Fatal(err)
	}
	queries := func(path string, header ...string) (out []int64) {
		var u api.Usage
		if got := s.do(t, "GET", path, nil, header...); got.StatusCode != 200 || json.Unmarshal(got.body, &u) != nil {
			t.Fatalf("%s: %d %s", path, got.StatusCode, got.body)
		}
		for _, o := range u.Owners {
			out = append(out, o.Queries)
		}
		return out
	}
	for _, c := range []struct {
		name, path string
		header     []string
		want       []int64
	}{
		{"of a token", "/v1/usage", bearer("ann"), []int64{1}},
		{"naming another", "/v1/usage?hours=336&owner=local&owners=all", bearer("ann"), []int64{1}},
		{"of an unknown token", "/v1/usage", bearer("eve"), nil},
		{"without a token", "/v1/usage?hours=1", nil, []int64{2}},
		{"of all", "/v1/usage/owners", nil, []int64{4, 2, 1}},
	} {
		if got := queries(c.path, c.header...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for _, path := range []string{"/v1/usage?hours=0", "/v1/usage/owners?hours=337"} {
		checkProblem(t, s.do(t, "GET", path, nil), "bad-field", 400, "hours")
	}
	plain := newStage(t)
	checkProblem(t, plain.do(t, "GET", "/v1/usage", nil), "not-found", 404, "")
	checkProblem(t, plain.do(t, "GET", "/v1/usage/owners", nil), "not-found", 404, "")
}
