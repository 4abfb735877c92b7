package httpapi

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

func TestAnAcceptedQueryIsSent(t *testing.T) {
	s := newStage(t)
	got := s.submit(t, asking(t, `,"constraints":{"latency_ms":500,"accuracy":90}`))
	q := got.query(t)
	if got.StatusCode != http.StatusAccepted || got.Header.Get("Location") != "/v1/queries/"+q.ID {
		t.Fatalf("status %d, location %q: %s", got.StatusCode, got.Header.Get("Location"), got.body)
	}
	if q.State != query.Accepted || q.Model != "good" || q.Class != query.Strict || q.Placement != "work-strict-general" {
		t.Errorf("query %+v", q)
	}
	if len(q.Trail) != 1 || q.Trail[0].Event != query.StepPlaced || q.Trail[0].Why == "" {
		t.Errorf("trail %+v", q.Trail)
	}
	if q.DeadlineAt.Sub(q.AcceptedAt).Milliseconds() != 500 || s.queued(t) != 1 {
		t.Errorf("deadline %v after acceptance, %d queued", q.DeadlineAt.Sub(q.AcceptedAt), s.queued(t))
	}
	ds, err := s.cloud.Queues.Receive(t.Context(), platform.QueueName(q.Placement), 1, 1e9, 0)
	if err != nil || len(ds) != 1 || string(ds[0].Message.Input.Data) != string(picture(t, 7)) {
		t.Errorf("the message does not carry the picture: %v, %v", ds, err)
	}
}

func TestAnUnboundedQueryIsRelaxedWithADefaultDeadline(t *testing.T) {
	s := newStage(t)
	q := s.submit(t, asking(t, "")).query(t)
	if q.Class != query.Relaxed || q.DeadlineAt.Sub(q.AcceptedAt).Milliseconds() != 10_000 || q.Placement != "work-relaxed-general" {
		t.Errorf("query %+v", q)
	}
	q = s.submit(t, asking(t, `,"class":"strict"`)).query(t)
	if q.Class != query.Strict || q.DeadlineAt.Sub(q.AcceptedAt).Milliseconds() != 2000 {
		t.Errorf("query %+v", q)
	}
}

func TestThePictureItselfIsAQueryToo(t *testing.T) {
	s := newStage(t)
	s.answer(t, succeeded)
	got := s.do(t, "POST", "/v1/queries?task=fashion&latency_ms=60000&class=strict&optimize=accuracy", picture(t, 9),
		"Content-Type", "image/png", "Prefer", "wait=20")
	q := got.query(t)
	if got.StatusCode != 200 || q.Model != "good" || q.Result.Label != "Bag" || got.Header.Get("Preference-Applied") != "wait=20" {
		t.Errorf("status %d, applied %q: %s", got.StatusCode, got.Header.Get("Preference-Applied"), got.body)
	}
	if q.ServedBy.Name != "w-1" || q.MetSLO == nil || !*q.MetSLO || q.LatencyMS == nil || q.QueueMS == nil || *q.ComputeMS != 1.5 {
		t.Errorf("query %s", got.body)
	}
}

func TestStrictOverflowsWithoutASlotInTime(t *testing.T) {
	s := newStage(t)
	s.publish(t, 0)
	q := s.submit(t, asking(t, `,"constraints":{"latency_ms":500}`)).query(t)
	if q.Placement != string(platform.Overflow) || q.Trail[0].Why != "no worker is ready" {
		t.Errorf("query %+v", q)
	}
	if q = s.submit(t, asking(t, "")).query(t); q.Placement != "work-relaxed-general" {
		t.Errorf("a relaxed query went to %s", q.Placement)
	}
	s.tune(func(set *settings.Settings) { set.MaxOverflowConcurrency = 0 })
	if q = s.submit(t, asking(t, `,"constraints":{"latency_ms":500}`)).query(t); q.Placement != "work-strict-general" {
		t.Errorf("with overflow off a strict query went to %s", q.Placement)
	}
}

func TestScoresComeBackBitForBit(t *testing.T) {
	s := newStage(t)
	o := succeeded
	o.Result = resultOf(0.1, 1.0/3, math.SmallestNonzeroFloat32, math.MaxFloat32, 16777217, 0, float32(math.Copysign(0, -1)), 1e-7, 0.99999994)
	s.answer(t, o)
	var got struct {
		Result struct{ Scores []float32 }
	}
	s.submit(t, asking(t, `,"all_scores":true`), "Prefer", "wait=20").into(t, &got)
	for i, want := range o.Result.Scores {
		if math.Float32bits(got.Result.Scores[i]) != math.Float32bits(want) {
			t.Errorf("score %d is %x, was %x", i, math.Float32bits(got.Result.Scores[i]), math.Float32bits(want))
		}
	}
}

func TestARepeatUnderAKeyIsTheFirst(t *testing.T) {
	s := newStage(t)
	first := s.submit(t, asking(t, ""), "Idempotency-Key", "one").query(t)
	reordered := strings.Replace(asking(t, ""), `{"task":"fashion",`, `{ `, 1)
	reordered = strings.TrimSuffix(reordered, "}") + `, "task" : "fashion" }`
	for _, body := range []string{asking(t, ""), reordered} {
		got := s.submit(t, body, "Idempotency-Key", "one")
		if got.StatusCode != 202 || got.query(t).ID != first.ID {
			t.Errorf("the repeat answered %d: %s", got.StatusCode, got.body)
		}
	}
	if other := s.submit(t, asking(t, ""), "Idempotency-Key", "one", "Authorization", "Bearer x").query(t); other.ID == first.ID {
		t.Error("another caller's key found the query")
	}
	got := s.submit(t, asking(t, `,"class":"strict"`), "Idempotency-Key", "one")
	if got.StatusCode != 422 || !strings.Contains(string(got.body), "idempotency-key-reused") {
		t.Errorf("another body answered %d: %s", got.StatusCode, got.body)
	}
	if ids := s.sentIDs(t); len(ids) != 2 || !ids[first.ID] {
		t.Errorf("sent %v for two queries", ids)
	}
	s.ended(t, first, succeeded)
	if got := s.submit(t, asking(t, ""), "Idempotency-Key", "one"); got.StatusCode != 200 || got.query(t).Result == nil {
		t.Errorf("the repeat of a finished query answered %d: %s", got.StatusCode, got.body)
	}
}

func TestFiftyAtOnceUnderOneKeyAreOneQuery(t *testing.T) {
	s := newStage(t)
	ids := make([]string, 50)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() { ids[i] = s.submit(t, asking(t, ""), "Idempotency-Key", "k").query(t).ID })
	}
	all.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("ids %v", ids)
		}
	}
	if sent := s.sentIDs(t); len(sent) != 1 {
		t.Errorf("sent %v", sent)
	}
}

// sentIDs are the ids of the messages that wait anywhere. They wait on.
func (s *stage) sentIDs(t testing.TB) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, q := range []platform.QueueName{platform.Overflow, platform.WorkQueue("general", query.Strict), platform.WorkQueue("general", query.Relaxed)} {
		var all []platform.Delivery
		for {
			ds, err := s.cloud.Queues.Receive(t.Context(), q, 10, time.Minute, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(ds) == 0 {
				break
			}
			all = append(all, ds...)
		}
		for _, d := range all {
			out[d.Message.ID] = true
		}
		if err := s.cloud.Queues.Release(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestCancel(t *testing.T) {
	s := newStage(t)
	id := s.submit(t, asking(t, "")).query(t).ID
	for range 2 {
		if got := s.do(t, "DELETE", "/v1/queries/"+id, nil); got.StatusCode != 200 || got.query(t).State != query.Cancelled {
			t.Errorf("cancel answered %d: %s", got.StatusCode, got.body)
		}
	}
	q := s.submit(t, asking(t, "")).query(t)
	s.ended(t, q, succeeded)
	if got := s.do(t, "DELETE", "/v1/queries/"+q.ID, nil); got.StatusCode != 409 {
		t.Errorf("cancelling a finished query answered %d: %s", got.StatusCode, got.body)
	}
}

func TestACancelRacesAnAnswerToOneEnd(t *testing.T) {
	s := newStage(t)
	for range 20 {
		id := s.submit(t, asking(t, "")).query(t).ID
		var cancelled reply
		var race sync.WaitGroup
		race.Go(func() { cancelled = s.do(t, "DELETE", "/v1/queries/"+id, nil) })
		race.Go(func() {
			_, _, _ = s.cloud.Records.PutRecord(t.Context(), query.Message{ID: id, Owner: "local"}.Ended(succeeded))
		})
		race.Wait()
		end := s.do(t, "GET", "/v1/queries/"+id, nil).query(t).State
		if (cancelled.StatusCode == 200) != (end == query.Cancelled) || (cancelled.StatusCode == 409) != (end == query.Succeeded) {
			t.Errorf("cancel answered %d, the query is %s", cancelled.StatusCode, end)
		}
	}
}

func TestACallerSeesItsOwnQueriesOnly(t *testing.T) {
	s := newStage(t)
	q := s.submit(t, asking(t, ""), "Authorization", "Bearer mine").query(t)
	id := q.ID
	s.ended(t, q, succeeded) // what has not ended is in nobody's list
	for _, c := range []struct{ method, tail string }{{"GET", ""}, {"DELETE", ""}, {"GET", "/explain"}} {
		foreign := s.do(t, c.method, "/v1/queries/"+id+c.tail, nil, "Authorization", "Bearer other")
		unknown := s.do(t, c.method, "/v1/queries/"+strings.Repeat("x", len(id))+c.tail, nil, "Authorization", "Bearer other")
		same := strings.ReplaceAll(string(unknown.body), strings.Repeat("x", len(id)), id)
		if foreign.StatusCode != 404 || string(foreign.body) != same {
			t.Errorf("%s %s: foreign %s, unknown %s", c.method, c.tail, foreign.body, unknown.body)
		}
	}
	var page api.Queries
	s.do(t, "GET", "/v1/queries?limit=5", nil, "Authorization", "Bearer other").into(t, &page)
	if len(page.Queries) != 0 {
		t.Errorf("a foreign list holds %+v", page.Queries)
	}
	s.do(t, "GET", "/v1/queries", nil, "Authorization", "bearer mine").into(t, &page)
	if len(page.Queries) != 1 || page.Queries[0].ID != id {
		t.Errorf("the own list holds %+v", page.Queries)
	}
}

func TestABriefListHoldsClassesOnly(t *testing.T) {
	s := newStage(t)
	q := s.submit(t, asking(t, "")).query(t)
	end := succeeded
	end.Result = &query.Result{Label: "coat", Index: 4, Top: []query.Score{{Index: 4, Label: "coat", Score: 0.9}}, Embedding: make([]float32, 2048)}
	s.ended(t, q, end)
	for brief, numbers := range map[string]int{"": 2048, "?brief=false": 2048, "?brief=true": 0} {
		var page api.Queries
		s.do(t, "GET", "/v1/queries"+brief, nil).into(t, &page)
		if len(page.Queries) != 1 {
			t.Fatalf("%s: %d queries", brief, len(page.Queries))
		}
		if r := page.Queries[0].Result; r.Label != "coat" || r.Index != 4 || len(r.Top) != 1 || len(r.Embedding) != numbers {
			t.Errorf("%q: %+v", brief, r)
		}
	}
	checkProblem(t, s.do(t, "GET", "/v1/queries?brief=yes", nil), "bad-field", 400, "brief")
}

func TestBeyondTheWaitersTheAnswerComesAtOnce(t *testing.T) {
	s := newStage(t)
	s.svc.MostWaiters = -1
	got := s.submit(t, asking(t, ""), "Prefer", "wait=20")
	if got.StatusCode != 202 || got.Header.Get("Preference-Applied") != "" {
		t.Errorf("status %d, applied %q", got.StatusCode, got.Header.Get("Preference-Applied"))
	}
}

func TestExplainReportsEveryCandidate(t *testing.T) {
	s := newStage(t)
	q := s.submit(t, asking(t, `,"constraints":{"latency_ms":500,"accuracy":90}`)).query(t)
	var e api.Explanation
	s.do(t, "GET", "/v1/queries/"+q.ID+"/explain", nil).into(t, &e)
	if e.Query.State != query.Accepted || len(e.Candidates) != 0 {
		t.Errorf("of a query that has not ended: %+v", e)
	}
	s.ended(t, q, succeeded)
	s.do(t, "GET", "/v1/queries/"+q.ID+"/explain", nil).into(t, &e)
	if e.Choice == "" || e.PredictedMS <= 0 || len(e.Candidates) != 4 || e.Candidates[0].Model != "good" {
		t.Errorf("explanation %+v", e)
	}
	for _, c := range e.Candidates {
		if c.Reason == "" {
			t.Errorf("candidate %+v has no reason", c)
		}
	}
}

func TestPreferWait(t *testing.T) {
	for header, want := range map[string]float64{
		"wait=5": 5, "WAIT = 5": 5, `wait="5"`: 5, "respond-async, wait=5": 5, "wait=5; x=y": 5, "wait=999999": 3600,
		"": -1, "wait": -1, "wait=-1": -1, "wait=x": -1, "waiting=5": -1,
	} {
		d, ok := preferWait(http.Header{"Prefer": {header}})
		if ok != (want >= 0) || ok && d.Seconds() != want {
			t.Errorf("%q gives %v, %v", header, d, ok)
		}
	}
}

// What a client sends is what the API reads: the names of the fields agree.
func TestAnswersAreJSONObjectsOfKnownFields(t *testing.T) {
	raw, err := json.Marshal(answer(query.Record{State: query.Accepted}))
	if err != nil || !strings.Contains(string(raw), `"trail":[]`) {
		t.Errorf("%s, %v", raw, err)
	}
}
