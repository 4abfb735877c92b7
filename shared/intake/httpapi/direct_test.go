package httpapi

import (
	"context"
	"errors"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/platform"
)

// slots is a worker that answers each query with a mark of its input, or has no
// slot, or fails.
type slots struct {
	now   func() time.Time
	none  bool
	fails query.FailureCode
	mu    sync.Mutex
	asked []query.Message
}

func (w *slots) Load() (int, float64) { return 2, 0 }

func (w *slots) Answer(_ context.Context, m query.Message, _ time.Time) (query.Outcome, error) {
	w.mu.Lock()
	w.asked = append(w.asked, m)
	w.mu.Unlock()
	if w.none {
		return query.Outcome{}, &schedule.NoSlot{PredictedMS: 1e6}
	}
	o := succeeded
	o.StartedAt, o.FinishedAt = w.now(), w.now()
	if w.fails != "" {
		o.State, o.Result, o.Failure = query.Failed, nil, &query.Failure{Code: w.fails, Detail: "broken"}
		return o, nil
	}
	r := resultOf(-1, 1e6, mark(m.Input.Data)).Trim(m.AllScores)
	o.Result = &r
	return o, nil
}

// mark is a number that differs between inputs.
func mark(data []byte) float32 {
	return float32(crc32.ChecksumIEEE(data) % 1000)
}

// newFront is a stage in a worker's process, with a share of the answers kept.
func newFront(t testing.TB, keep float64) (*stage, *slots) {
	t.Helper()
	w := &slots{}
	s := newStageWith(t, func(c *intake.Config, _ *Options) { c.Worker, w.now = w, c.Now })
	s.tune(func(set *settings.Settings) { set.KeepShare = keep })
	return s, w
}

func TestADirectAnswerIsAllThereIs(t *testing.T) {
	s, _ := newFront(t, 0)
	got := s.submit(t, asking(t, `,"constraints":{"latency_ms":500}`), "Prefer", "wait=5")
	q := got.query(t)
	if got.StatusCode != 200 || q.State != query.Succeeded || q.Placement != "direct" || q.Receipt == "" || q.Choice == "" || len(q.Result.Scores) != 0 ||
		len(q.Result.Top) != 3 || len(q.Candidates) != 0 || got.Header.Get("Location") != "/v1/queries/"+q.ID {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	nothingStored(t, s)
	path := "/v1/queries/" + q.ID
	checkProblem(t, s.do(t, "GET", path, nil), "answered-directly", 410, "")
	checkProblem(t, s.do(t, "GET", path, nil, "Prefer", "wait=5"), "answered-directly", 410, "")
	checkProblem(t, s.do(t, "GET", path+"/explain", nil), "answered-directly", 410, "")
	checkProblem(t, s.do(t, "DELETE", path, nil), "already-finished", 409, "")
	checkProblem(t, s.do(t, "GET", path, nil, "Authorization", "Bearer other"), "not-found", 404, "")
	s.advance(25 * time.Hour)
	checkProblem(t, s.do(t, "GET", path, nil), "gone", 410, "")
	checkProblem(t, s.do(t, "DELETE", path, nil), "gone", 410, "")
}

func TestAKeptSampleIsFound(t *testing.T) {
	s, _ := newFront(t, 1)
	q := s.submit(t, asking(t, ""), "Prefer", "wait=5").query(t)
	s.svc.Settle()
	if got := s.do(t, "GET", "/v1/queries/"+q.ID, nil); got.StatusCode != 200 || got.query(t).Result.Label != q.Result.Label {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	var e api.Explanation
	s.do(t, "GET", "/v1/queries/"+q.ID+"/explain", nil).into(t, &e)
	if e.Choice == "" || len(e.Candidates) != 4 {
		t.Errorf("%+v", e)
	}
	checkProblem(t, s.do(t, "DELETE", "/v1/queries/"+q.ID, nil), "already-finished", 409, "")
	var page api.Queries
	if s.do(t, "GET", "/v1/queries", nil).into(t, &page); len(page.Queries) != 0 {
		t.Errorf("a direct answer is listed: %+v", page.Queries)
	}
	var best api.Explanation
	s.do(t, "GET", "/v1/queries/"+q.ID+"/explain?limit=1", nil).into(t, &best)
	if len(best.Candidates) != 1 || best.Candidates[0].Model != e.Candidates[0].Model {
		t.Errorf("the best one of %+v is %+v", e.Candidates, best.Candidates)
	}
	checkProblem(t, s.do(t, "GET", "/v1/queries/"+q.ID+"/explain?limit=0", nil), "bad-field", 400, "limit")
}

// What is asked for in addition to the answer comes with it.
func TestAllScoresAndExplain(t *testing.T) {
	s, _ := newFront(t, 0)
	for name, got := range map[string]reply{
		"JSON": s.submit(t, asking(t, `,"all_scores":true,"explain":true`), "Prefer", "wait=5"),
		"URL":  s.do(t, "POST", "/v1/queries?task=fashion&all_scores=true&explain=1", picture(t, 7), "Content-Type", "image/png", "Prefer", "wait=5"),
	} {
		q := got.query(t)
		if got.StatusCode != 200 || len(q.Result.Scores) != 3 || len(q.Candidates) != 4 || q.Candidates[0].Model != q.Model {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	checkProblem(t, s.do(t, "POST", "/v1/queries?task=fashion&explain=perhaps", picture(t, 7), "Content-Type", "image/png"), "bad-field", 400, "explain")
	checkProblem(t, s.submit(t, asking(t, `,"explain":"yes"`)), "bad-field", 400, "explain")
	sent := s.submit(t, asking(t, `,"explain":true`)).query(t)
	if sent.State != query.Accepted || len(sent.Candidates) != 4 {
		t.Errorf("%+v", sent)
	}
}

// A null is nothing: an optional field counts as left out.
func TestNullIsLeftOut(t *testing.T) {
	s, w := newFront(t, 0)
	got := s.submit(t, asking(t, `,"model":null,"class":null,"optimize":null,"explain":null,"all_scores":null,
		"constraints":{"latency_ms":null,"accuracy":90,"cost_usd_per_million":null}`), "Prefer", "wait=5")
	if q := got.query(t); got.StatusCode != 200 || q.Model != "good" || q.Class != query.Relaxed {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := s.submit(t, asking(t, `,"constraints":null`), "Prefer", "wait=5"); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	head := `{"id":null,"parameters":null,"outputs":null,"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"parameters":null,"data":` + sixteen() + `}]}`
	if got := s.infer(t, "fashion", head, nil); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	head = `{"parameters":{"class":null,"latency_ms":null},"inputs":[{"name":"input","datatype":"FP32",` + shape + `,"data":null,"parameters":{"binary_data_size":64}}],"outputs":[{"name":"label","parameters":null}]}`
	if got := s.infer(t, "fashion", head, make([]byte, 64)); got.StatusCode != 200 {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if len(w.asked) != 4 {
		t.Errorf("%d asked", len(w.asked))
	}
}

// What only a run can find wrong with an input is refused like any other.
func TestBadInputFoundByTheRun(t *testing.T) {
	s, w := newFront(t, 0)
	w.fails = query.BadInput
	checkProblem(t, s.submit(t, asking(t, ""), "Prefer", "wait=5"), "bad-input", 422, "input.data")
	nothingStored(t, s)
}

// Feedback on an answer that nobody keeps goes by its receipt.
func TestFeedbackByReceipt(t *testing.T) {
	s, _ := newFront(t, 0)
	ask := func() api.Query { return s.submit(t, asking(t, ""), "Prefer", "wait=5").query(t) }
	q, other := ask(), ask()
	vote := func(body string) reply {
		return s.do(t, "POST", "/v1/queries/"+q.ID+"/feedback", []byte(body), "Content-Type", "application/json")
	}
	checkProblem(t, vote(`{"correct":true}`), "answered-directly", 410, "receipt")
	checkProblem(t, vote(`{"correct":true,"receipt":null}`), "answered-directly", 410, "receipt")
	checkProblem(t, vote(`{"correct":true,"receipt":"`+other.Receipt+`"}`), "bad-receipt", 422, "receipt")
	checkProblem(t, vote(`{"correct":true,"receipt":"forged"}`), "bad-receipt", 422, "receipt")
	checkProblem(t, vote(`{"correct":null,"receipt":"`+q.Receipt+`"}`), "bad-field", 400, "")
	checkProblem(t, vote(`{"correct":true,"receipt":7}`), "bad-field", 400, "receipt")
	if got := vote(`{"label":"Bag","receipt":"` + q.Receipt + `"}`); got.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	checkProblem(t, vote(`{"correct":false,"receipt":"`+q.Receipt+`"}`), "already-voted", 409, "")
}

// Behind a balancer the owner is what it says, once, or nobody.
func TestTheBalancerSaysWhoseARequestIs(t *testing.T) {
	s := newStageWith(t, func(_ *intake.Config, o *Options) { o.Owner = BalancedOwner })
	for name, c := range map[string]struct {
		values []string
		status int
	}{"one": {[]string{"anna"}, 202}, "none": {nil, 401}, "two": {[]string{"anna", "bert"}, 401}, "twice the same": {[]string{"anna", "anna"}, 401}, "empty": {[]string{""}, 401}} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://127.0.0.1:8080/v1/queries", strings.NewReader(asking(t, "")))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header[platform.OwnerHeader] = slices.Clone(c.values)
			r.Header.Set("Authorization", "Bearer ignored")
			got := s.send(t, r, []byte(asking(t, "")))
			if got.StatusCode != c.status {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
			if c.status == 401 {
				checkProblem(t, got, "unauthenticated", 401, "Authorization")
			}
		})
	}
	if ids := s.sentIDs(t); len(ids) != 1 {
		t.Errorf("sent %v", ids)
	}
}

// The balancer asks for this process alone; what it depends on is another question.
func TestHealthAndReadiness(t *testing.T) {
	var broken error
	s := newStageWith(t, func(_ *intake.Config, o *Options) { o.Health = func() error { return broken } })
	for _, c := range []struct {
		broken        error
		overflow      int
		runners       int
		health, ready int
	}{{nil, 1, 4, 200, 200}, {nil, 0, 0, 200, 503}, {errors.New("a runner hangs"), 1, 4, 503, 200}} {
		broken = c.broken
		s.svc.Settle() // a refresh that the last case began would read the fleet before it changes
		s.tune(func(set *settings.Settings) { set.MaxOverflowConcurrency, set.ViewSeconds = c.overflow, 0 })
		s.publish(t, c.runners)
		s.do(t, "GET", "/readyz", nil) // has the view read
		s.svc.Settle()
		health, ready := s.do(t, "GET", "/healthz", nil), s.do(t, "GET", "/readyz", nil)
		if health.StatusCode != c.health || ready.StatusCode != c.ready {
			t.Errorf("%+v: health %d %s, ready %d %s", c, health.StatusCode, health.body, ready.StatusCode, ready.body)
		}
		if c.broken != nil && !strings.Contains(string(health.body), c.broken.Error()) {
			t.Errorf("health says %s", health.body)
		}
	}
}

// A query past its expiry is settled by the caller who asks for it.
func TestAnyReaderOfAnExpiredQuerySettlesIt(t *testing.T) {
	s := newStage(t)
	q := s.submit(t, asking(t, "")).query(t)
	got := s.do(t, "GET", "/v1/queries/"+q.ID, nil, "Prefer", "wait=0").query(t)
	if got.State != query.Accepted || got.Task != "" || !got.DeadlineAt.IsZero() || got.Placement != "" || !got.AcceptedAt.Equal(q.AcceptedAt.Truncate(time.Millisecond)) {
		t.Errorf("%+v", got)
	}
	s.advance(time.Minute)
	if got := s.do(t, "GET", "/v1/queries/"+q.ID, nil).query(t); got.State != query.Expired || got.Failure.Code != query.TimedOut || got.MetSLO == nil || *got.MetSLO {
		t.Errorf("%+v", got)
	}
	if r := s.ended(t, q, succeeded); r.State != query.Expired {
		t.Errorf("a late answer: %+v", r)
	}
	checkProblem(t, s.do(t, "DELETE", "/v1/queries/"+q.ID, nil), "already-finished", 409, "")
}
