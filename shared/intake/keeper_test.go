package intake

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/platformtest"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// counting answers like functions, after a while, and counts.
type counting struct {
	functions
	takes time.Duration
	calls atomic.Int64
}

func (c *counting) Invoke(ctx context.Context, m query.Message) inference.Invoked {
	c.calls.Add(1)
	select {
	case <-time.After(c.takes):
	case <-ctx.Done():
		return inference.Invoked{Thrown: inference.InDoubt}
	}
	got := c.functions.Invoke(ctx, m)
	if got.Outcome != nil {
		o := *got.Outcome
		o.FinishedAt = time.Now()
		got.Outcome = &o
	}
	return got
}

// When the queue brings no answer, the intake that holds the request has a
// function answer within the bound; with an answer in time, or no room for a
// second run, it does not, and a failure of its own ends nothing.
func TestTheHoldersKeepTheDeadline(t *testing.T) {
	onFunction := query.Outcome{State: query.Succeeded, RanOn: query.Runner{Kind: query.OnFunction, Name: "mine"}, Result: &query.Result{Label: "1", Index: 1}}
	failed := query.Outcome{State: query.Failed, RanOn: onFunction.RanOn, Failure: &query.Failure{Code: query.TooOften}}
	const soon = 10 * time.Millisecond
	for _, tc := range []struct {
		name       string
		boundMS    float64
		dispatched time.Duration // when the dispatcher's answer comes; 0 never
		mine       query.Outcome
		takes      time.Duration // a function of its own
		calls      int64
		by         string        // who answered; empty when nobody did within the wait
		after      time.Duration // at the latest
	}{
		{"the queue is stuck", 500, 0, onFunction, soon, 1, "mine", 500 * time.Millisecond},
		{"the dispatcher answers", 500, 100 * time.Millisecond, onFunction, soon, 0, "the dispatcher's", 100 * time.Millisecond},
		{"the dispatcher is late, but first", 500, 480 * time.Millisecond, onFunction, soon, 1, "the dispatcher's", 500 * time.Millisecond},
		{"no room for a second run", 50, 0, onFunction, soon, 0, "", time.Second},
		{"a run that fails", 500, 800 * time.Millisecond, failed, soon, 1, "the dispatcher's", 800 * time.Millisecond},
		{"a function that hangs, and the dispatcher is late", 500, 600 * time.Millisecond, onFunction, time.Hour, 1, "the dispatcher's", 600 * time.Millisecond},
		{"a function that hangs, and the queue is stuck", 500, 0, onFunction, time.Hour, 1, "", time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer backend.Close()
				f := &counting{functions: functions(inference.Invoked{Outcome: &tc.mine}), takes: tc.takes}
				records := platformtest.NewMemory(time.Now)
				d := newTestService(t, func(c *Config) {
					c.Now, c.Functions, c.Records = time.Now, f, records
					c.Shared, c.Queues, c.Fleet = backend.Platform().Shared, backend.Platform().Queues, backend.Platform().Fleet
				})
				v := platform.FleetView{At: time.Now(), Pools: []placement.Pool{{Name: "general", InstanceType: "c5.large", Workers: 1, Runners: 2, StrictMS: 1e6, At: time.Now()}}}
				if err := backend.Platform().Fleet.PublishView(t.Context(), v); err != nil {
					t.Fatal(err)
				}
				if tc.dispatched > 0 {
					go dispatchAfter(t, backend, records, tc.dispatched)
				}
				r := request(tc.boundMS)
				r.Class = query.Strict
				began := time.Now()
				got, err := d.Take(t.Context(), "me", r, Terms{Wait: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > tc.after {
					t.Errorf("its caller was answered after %v, want %v at the latest", took, tc.after)
				}
				by := ""
				if o := got.Record.Outcome; o != nil {
					by = o.RanOn.Name
				}
				if by != tc.by || f.calls.Load() != tc.calls || tc.by == "mine" && !got.Record.Met() {
					t.Errorf("answered by %q after %d invocations of its own: %+v", by, f.calls.Load(), got.Record.Outcome)
				}
			})
		})
	}
}

// dispatchAfter stores an answer for the query on the overflow queue after a while.
func dispatchAfter(t *testing.T, backend *sqlite.Backend, records *platformtest.Memory, d time.Duration) {
	began := time.Now()
	ds, err := backend.Platform().Queues.Receive(t.Context(), platform.Overflow, 1, time.Minute, time.Minute)
	if err != nil || len(ds) != 1 {
		t.Errorf("nothing was sent: %v", err)
		return
	}
	<-time.After(time.Until(began.Add(d)))
	o := query.Outcome{State: query.Succeeded, FinishedAt: time.Now(), RanOn: query.Runner{Kind: query.OnFunction, Name: "the dispatcher's"}, Result: &query.Result{Label: "1", Index: 1}}
	if _, _, err := records.PutRecord(t.Context(), ds[0].Message.Ended(o)); err != nil {
		t.Error(err)
	}
}
