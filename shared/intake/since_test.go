package intake

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A strict request that another process held is answered by a function at once, as of
// when it came, and counted there alone; where none answers it is placed as any other.
func TestWhatAnotherProcessHeldIsAnsweredAtOnce(t *testing.T) {
	succeeded := query.Outcome{State: query.Succeeded, RanOn: query.Runner{Kind: query.OnFunction, Name: "f"}, Result: &query.Result{Label: "1", Index: 1}}
	relaxed := strictly()
	relaxed.Class = query.Relaxed
	for _, tc := range []struct {
		name   string
		r      Request
		key    string
		got    inference.Invoked
		placed platform.QueueName // empty for an answer
	}{
		{"strict", strictly(), "", inference.Invoked{Outcome: &succeeded}, ""},
		{"strict, with a key", strictly(), "k", inference.Invoked{Outcome: &succeeded}, ""},
		{"no function answers", strictly(), "", inference.Invoked{Thrown: inference.Throttled}, platform.WorkQueue("general", query.Strict)},
		{"relaxed", relaxed, "", inference.Invoked{Outcome: &succeeded}, platform.WorkQueue("general", query.Relaxed)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newTestService(t, func(c *Config) { c.Functions = functions(tc.got) })
			d.publishPool(t, placement.Pool{Workers: 1, Runners: 2})
			came := d.clock.now().Add(-300 * time.Millisecond)
			got, err := d.Take(t.Context(), "me", tc.r, Terms{Key: tc.key, Wait: 301 * time.Millisecond, Since: came})
			if err != nil {
				t.Fatal(err)
			}
			r := got.Record
			if !r.AcceptedAt.Equal(came) || !r.DeadlineAt.Equal(came.Add(500*time.Millisecond)) {
				t.Errorf("accepted at %v with a deadline at %v, and it came at %v", r.AcceptedAt, r.DeadlineAt, came)
			}
			if answered := r.State == query.Succeeded; answered != (tc.placed == "") || !answered && r.Placement != string(tc.placed) {
				t.Errorf("it is %s, placed on %s", r.State, r.Placement)
			}
			if n := len(d.arrivals.counts); n != 0 && tc.key == "" {
				t.Errorf("%d arrivals are counted again", n)
			}
		})
	}
}

// A strict request whose caller waits no longer is placed as any other, and no function runs for it.
func TestWhatNobodyWaitsForIsPlaced(t *testing.T) {
	succeeded := query.Outcome{State: query.Succeeded, RanOn: query.Runner{Kind: query.OnFunction, Name: "f"}, Result: &query.Result{Label: "1", Index: 1}}
	for _, wait := range []time.Duration{0, 200 * time.Millisecond} {
		d := newTestService(t, func(c *Config) { c.Functions = functions(inference.Invoked{Outcome: &succeeded}) })
		d.publishPool(t, placement.Pool{Workers: 1, Runners: 2})
		got, err := d.Take(t.Context(), "me", strictly(), Terms{Wait: wait, Since: d.clock.now().Add(-200 * time.Millisecond)})
		if err != nil || got.Record.State != query.Accepted || got.Record.Placement != string(platform.WorkQueue("general", query.Strict)) {
			t.Errorf("waited for %v: it is %s, placed on %s, error %v", wait, got.Record.State, got.Record.Placement, err)
		}
	}
}

// The moment is the bound less the function's p95 for strict requests that may overflow,
// and less a worker's p99 and the way there for others; at the latest it is when the
// caller waits no longer.
func TestKeepAfter(t *testing.T) {
	relaxed, tight, wrong := strictly(), strictly(), strictly()
	relaxed.Class, wrong.Task = query.Relaxed, "none"
	least := 60.0
	tight.Bounds.LatencyMS = &least
	const byFunction, byWorker = 475 * time.Millisecond, 455 * time.Millisecond // p95 25 ms; p99 30 ms and 15 ms for the way
	for _, tc := range []struct {
		name string
		r    Request
		wait time.Duration
		off  bool
		want time.Duration // below 0 for never
	}{
		{"strict", strictly(), time.Second, false, byFunction},
		{"not waited for until then", strictly(), 100 * time.Millisecond, false, 100 * time.Millisecond},
		{"not waited for", strictly(), 0, false, 0},
		{"relaxed", relaxed, time.Second, false, byWorker},
		{"relaxed, not waited for", relaxed, 0, false, 0},
		{"no room", tight, time.Second, false, time.Second},
		{"refused", wrong, time.Second, false, -1},
		{"nothing may overflow", strictly(), time.Second, true, byWorker},
	} {
		d := newTestService(t, func(c *Config) {
			c.Functions = functions(inference.Invoked{})
			c.Settings = func() settings.Settings {
				set := settings.Defaults()
				if tc.off {
					set.MaxOverflowConcurrency = 0
				}
				return set
			}
		})
		d.publish(t, 2)
		after, ok := d.KeepAfter(tc.r, tc.wait)
		if ok != (tc.want >= 0) || ok && after != tc.want {
			t.Errorf("%s: after %v, %v; want %v", tc.name, after, ok, tc.want)
		}
	}
}
