package intake

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// slots is a worker that answers, or has no slot, or fails.
type slots struct {
	d     *testService
	fault error
	fails query.FailureCode // how the run ends; empty means an answer
	mu    sync.Mutex
	asked []query.Message
	by    []time.Time
}

func (s *slots) Load() (int, float64) { return 2, 0 }

func (s *slots) Answer(_ context.Context, m query.Message, by time.Time) (query.Outcome, error) {
	s.mu.Lock()
	s.asked, s.by = append(s.asked, m), append(s.by, by)
	s.mu.Unlock()
	if s.fault != nil {
		return query.Outcome{}, s.fault
	}
	now := s.d.clock.now()
	o := query.Outcome{State: query.Succeeded, FinishedAt: now, StartedAt: now, RanOn: query.Runner{Kind: query.OnWorker, Name: "w"},
		Result: &query.Result{Label: "1", Index: 1, Top: []query.Score{{Index: 1, Label: "1", Score: 0.9}}}}
	if s.fails != "" {
		o.State, o.Result, o.Failure = query.Failed, nil, &query.Failure{Code: s.fails, Detail: "broken"}
	}
	return o, nil
}

// newFront is a service in a worker's process.
func newFront(t testing.TB, change func(*Config, *slots)) (testService, *slots) {
	t.Helper()
	w := &slots{}
	d := newTestService(t, func(c *Config) {
		c.Worker = w
		if change != nil {
			change(c, w)
		}
	})
	w.d = &d
	d.publish(t, 2)
	return d, w
}

// noRecords fails when anything is written.
func (d testService) wantNothingStored(t testing.TB) {
	t.Helper()
	for _, q := range d.queues() {
		if depth, err := d.Backend.Queues.Depth(t.Context(), q); err != nil || depth.Visible > 0 {
			t.Errorf("queue %s holds %+v, error %v", q, depth, err)
		}
	}
	if rs, err := d.Recent(t.Context(), "me", 10); err != nil || len(rs) > 0 {
		t.Errorf("stored %+v, error %v", rs, err)
	}
}

func TestADirectAnswerLeavesNothing(t *testing.T) {
	d, w := newFront(t, func(c *Config, _ *slots) { c.Settings = keeping(0) })
	for _, ms := range []float64{500, 10000} { // strict and relaxed
		got, err := d.Take(t.Context(), "me", request(ms), Terms{Wait: 5 * time.Second})
		if err != nil || got.Record.State != query.Succeeded || got.Record.Placement != placedDirect || got.Receipt == "" {
			t.Fatalf("%+v, error %v", got, err)
		}
		id, err := d.Keys.ParseID(got.Record.ID)
		if err != nil || id.Kind != signed.Direct {
			t.Errorf("id %+v, error %v", id, err)
		}
		wantRefusal(t, AnsweredDirectly)(d.Get(t.Context(), "me", got.Record.ID))
		wantRefusal(t, NotFound)(d.Get(t.Context(), "you", got.Record.ID))
		wantRefusal(t, Finished)(d.Cancel(t.Context(), "me", got.Record.ID))
	}
	d.wantNothingStored(t)
	if w.by[0] != start.Add(500*time.Millisecond) || w.by[1] != start.Add(5*time.Second) {
		t.Errorf("asked to end by %v", w.by)
	}
}

func keeping(share float64) func() settings.Settings {
	set := settings.Defaults()
	set.KeepShare = share
	return func() settings.Settings { return set }
}

func wantRefusal(t testing.TB, kind Kind) func(query.Record, error) {
	return func(r query.Record, err error) {
		t.Helper()
		var no *Refusal
		if !errors.As(err, &no) || no.Kind != kind {
			t.Errorf("%+v, error %v, want a refusal %s", r, err, kind)
		}
	}
}

func TestASampleIsKept(t *testing.T) {
	d, w := newFront(t, func(c *Config, _ *slots) { c.Settings = keeping(1) })
	for _, fails := range []query.FailureCode{"", query.InputIsGone} {
		w.fails = fails
		got, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		d.Settle()
		if r, err := d.Get(t.Context(), "me", got.Record.ID); err != nil || r.State != got.Record.State {
			t.Errorf("%+v, error %v", r, err)
		}
	}
	if rs, err := d.Recent(t.Context(), "me", 10); err != nil || len(rs) > 0 {
		t.Errorf("a direct answer is listed: %+v, error %v", rs, err)
	}
	if rs, err := d.Backend.Records.SampleRecords(t.Context(), start, 10); err != nil || len(rs) != 2 {
		t.Errorf("%d samples, error %v", len(rs), err)
	}
}

func TestBadInputFoundByTheRunIsRefused(t *testing.T) {
	d, w := newFront(t, nil)
	w.fails = query.BadInput
	_, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second})
	wantRefusal(t, BadInput)(query.Record{}, err)
}

// A refusal names the field once, where the run named it in its reason too.
func TestBadInputNamesItsFieldOnce(t *testing.T) {
	for reason, want := range map[string]string{
		"input.data: not a PNG picture":       "input.data: not a PNG picture",
		"input.content_type: is not taken":    "input.content_type: is not taken",
		"the model cannot run: Reshape: 2, 4": "input.data: the model cannot run: Reshape: 2, 4",
	} {
		r := query.Record{Outcome: &query.Outcome{State: query.Failed, Failure: &query.Failure{Code: query.BadInput, Detail: reason}}}
		_, err := (&Service{}).answerWith(&submission{}, r)
		if err == nil || err.Error() != "bad-input: "+want {
			t.Errorf("refused with %v, want %q", err, want)
		}
	}
}

// What has no slot goes where it is answered in time: strict to the functions,
// relaxed to a worker, later; what faulted here is tried elsewhere.
func TestWithoutASlot(t *testing.T) {
	none := &schedule.NoSlot{PredictedMS: 800}
	for name, tc := range map[string]struct {
		boundMS float64
		fault   error
		fails   query.FailureCode
		queue   platform.QueueName
	}{
		"strict":         {500, none, "", platform.Overflow},
		"strict, fault":  {500, nil, query.ModelFault, platform.Overflow},
		"relaxed":        {10000, none, "", platform.WorkQueue("general", query.Relaxed)},
		"relaxed, fault": {10000, nil, query.ModelFault, platform.WorkQueue("general", query.Relaxed)},
	} {
		t.Run(name, func(t *testing.T) {
			d, w := newFront(t, nil)
			w.fault, w.fails = tc.fault, tc.fails
			got, err := d.Take(t.Context(), "me", request(tc.boundMS), Terms{Wait: time.Millisecond})
			if err != nil || got.Record.State != query.Accepted || got.Record.Placement != string(tc.queue) {
				t.Fatalf("%+v, error %v", got, err)
			}
			sent := d.received(t, tc.queue)
			if len(sent) != 1 || sent[0].ID != got.Record.ID || sent[0].Need.Task != "digits" {
				t.Fatalf("sent %+v", sent)
			}
			if id, err := d.Keys.ParseID(got.Record.ID); err != nil || id.Kind != signed.Stored {
				t.Errorf("id %+v, error %v", id, err)
			}
			if (sent[0].Attempts > 0) != (tc.fails != "") {
				t.Errorf("%d attempts", sent[0].Attempts)
			}
		})
	}
}

// Where nothing may overflow, the worker answers, late as it is.
func TestLateIsBetterThanNever(t *testing.T) {
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 0
	d, w := newFront(t, func(c *Config, _ *slots) { c.Settings = func() settings.Settings { return set } })
	w.fault = &schedule.NoSlot{PredictedMS: 800}
	if _, err := d.Take(t.Context(), "me", request(500), Terms{Wait: 5 * time.Second}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if len(w.by) != 2 || w.by[1] != start.Add(5*time.Second) {
		t.Errorf("asked to end by %v", w.by)
	}
}

func TestACallerThatLeavesIsNotSentOn(t *testing.T) {
	d, w := newFront(t, nil)
	w.fault = context.Canceled
	if _, err := d.Take(t.Context(), "me", request(500), Terms{Wait: time.Second}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	d.wantNothingStored(t)
}

// functions answers overflow without a queue.
type functions inference.Invoked

func (f functions) Invoke(context.Context, query.Message) inference.Invoked {
	return inference.Invoked(f)
}

// While no worker is ready the intake has a function answer who waits, and sends to
// the queue what nobody waits for; while one is, the setting says which, where the queue
// is not too slow.
func TestWithoutAWorkerNothingIsQueued(t *testing.T) {
	done := query.Outcome{State: query.Succeeded, FinishedAt: start, RanOn: query.Runner{Kind: query.OnFunction, Name: "f"},
		Result: &query.Result{Label: "1", Index: 1}}
	for name, tc := range map[string]struct {
		pool    placement.Pool
		waits   time.Duration
		queueMS float64
		queued  int
	}{
		"no worker, who waits":          {placement.Pool{}, time.Millisecond, 15, 0},
		"no worker, who does not wait":  {placement.Pool{}, 0, 15, 1},
		"a worker without a slot":       {placement.Pool{Workers: 1, Runners: 2, StrictMS: 1e6}, time.Millisecond, 15, 1},
		"in time only without a queue":  {placement.Pool{Workers: 1, Runners: 2, StrictMS: 1e6}, time.Millisecond, 499, 0},
		"a worker that does not answer": {placement.Pool{Suspended: 1}, time.Millisecond, 15, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestService(t, func(c *Config) {
				set := settings.Defaults()
				set.OverflowPathMS = tc.queueMS
				c.Functions, c.Settings = functions(inference.Invoked{Outcome: &done}), func() settings.Settings { return set }
			})
			d.publishPool(t, tc.pool)
			r := request(500)
			r.Class = query.Strict
			got, err := d.Take(t.Context(), "me", r, Terms{Wait: tc.waits})
			if err != nil || (got.Record.State == query.Succeeded) != (tc.queued == 0) {
				t.Fatalf("%+v, error %v", got.Record, err)
			}
			if tc.queued == 0 {
				d.wantNothingStored(t)
			} else if sent := d.received(t, platform.Overflow); len(sent) != tc.queued {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

func TestOverflowWithoutAQueue(t *testing.T) {
	done := query.Outcome{State: query.Succeeded, FinishedAt: start, RanOn: query.Runner{Kind: query.OnFunction, Name: "f"},
		Result: &query.Result{Label: "1", Index: 1}}
	set := settings.Defaults()
	set.OverflowPath = "direct"
	for name, tc := range map[string]struct {
		got     inference.Invoked
		boundMS float64
		want    query.State        // of the answer
		queue   platform.QueueName // empty when it is not sent
		refused Kind
	}{
		"answered":            {inference.Invoked{Outcome: &done}, 500, query.Succeeded, "", ""},
		"in doubt":            {inference.Invoked{Thrown: inference.InDoubt}, 500, query.Failed, "", ""},
		"throttled, in time":  {inference.Invoked{Thrown: inference.Throttled}, 500, query.Accepted, platform.Overflow, ""},
		"throttled, too late": {inference.Invoked{Thrown: inference.Throttled}, 40, "", "", NoCapacity},
		"no function":         {inference.Invoked{Thrown: inference.NoFunction}, 500, query.Accepted, platform.WorkQueue("general", query.Strict), ""},
	} {
		t.Run(name, func(t *testing.T) {
			slow := set
			if tc.boundMS < 100 {
				slow.OverflowPathMS = 200
			}
			d, w := newFront(t, func(c *Config, _ *slots) {
				c.Functions, c.Settings = functions(tc.got), func() settings.Settings { return slow }
			})
			w.fault = &schedule.NoSlot{PredictedMS: 800}
			got, err := d.Take(t.Context(), "me", request(tc.boundMS), Terms{Wait: time.Millisecond})
			if tc.refused != "" {
				wantRefusal(t, tc.refused)(got.Record, err)
				return
			}
			if err != nil || got.Record.State != tc.want {
				t.Fatalf("%+v, error %v", got, err)
			}
			if tc.queue != "" {
				if sent := d.received(t, tc.queue); len(sent) != 1 {
					t.Errorf("sent %+v", sent)
				}
			} else {
				d.wantNothingStored(t)
			}
		})
	}
}
