// Package platformtest is the contract that every backend keeps, as one suite of
// tests. It knows package cloud alone, so that the backend on one machine and the
// one in an account must pass the same tests.
package platformtest

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Features say what a backend promises beyond the contract, and how to test it.
type Features struct {
	// Bubble runs each case in a synctest bubble: time passes when all wait.
	// For backends that talk to nothing outside the process.
	Bubble bool
	// Lease is the shortest lease that the backend keeps; 0 means two seconds.
	Lease time.Duration
	// Disordered backends hand out messages twice, late and out of order, often:
	// cases that need a quiet queue are left out.
	Disordered bool
	// ExactDepth backends count their queues exactly at any moment.
	ExactDepth bool
	// Parallel backends are independent of each other: cases run side by side.
	Parallel bool
	// Without names the cases that the ground under the backend cannot keep, each
	// with the reason. A name of no case is an error.
	Without map[string]string
}

// Subject is one fresh backend under test.
type Subject struct {
	Backend platform.Backend
	// Revoke declares a worker dead.
	Revoke func(ctx context.Context, worker string) error
	// Launch launches the workers of a pool that are desired and missing, as the
	// platform does by itself; nil where it has done so when a call returns.
	Launch func(ctx context.Context, pool string) error
	// FailLaunch has the next launch of a pool fail for a reason.
	FailLaunch func(ctx context.Context, pool, why string) error
	// Limit sets how many workers a pool's group may have.
	Limit func(ctx context.Context, pool string, least, most int) error
	// Upload does what a caller does with an upload.
	Upload func(ctx context.Context, u platform.Upload, data []byte) error
}

// suite is what a case works with.
type suite struct {
	Subject
	Features
}

// contractCase is one clause of the contract.
type contractCase struct {
	name  string
	holds func(Features) bool // for backends with these features
	run   func(t *testing.T, s *suite)
}

// Which backends a clause is for.
func anyBackend(Features) bool     { return true }
func quietBackend(f Features) bool { return !f.Disordered }
func exactBackend(f Features) bool { return !f.Disordered && f.ExactDepth }

// Run runs the contract on a backend. open makes a fresh, empty backend for each
// case and cleans up with t.Cleanup.
func Run(t *testing.T, f Features, open func(t *testing.T) Subject) {
	if f.Lease == 0 {
		f.Lease = 2 * time.Second
	}
	left := maps.Clone(f.Without)
	groups := [][]contractCase{queueCases, waitCases, fleetCases, dataCases, crowdCases, decisionLogCases, voteCases, recordCases, sharedCases, timelineCases}
	for _, cases := range groups {
		for _, c := range cases {
			_, without := left[c.name]
			delete(left, c.name)
			if without || !c.holds(f) {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				if f.Parallel {
					t.Parallel()
				}
				body := func(t *testing.T) { c.run(t, &suite{open(t), f}) }
				if f.Bubble {
					synctest.Test(t, body)
				} else {
					body(t)
				}
			})
		}
	}
	for name := range left {
		t.Errorf("the contract has no case %q to leave out", name)
	}
}

// The queues that the cases use.
var (
	strictQueue  = platform.WorkQueue("contract", query.Strict)
	relaxedQueue = platform.WorkQueue("contract", query.Relaxed)
)

// pass lets time go by: in a bubble at once.
func pass(d time.Duration) { <-time.After(d) }

// message makes a small message.
func message(id string) query.Message {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return query.Message{
		ID: id, Owner: "ann", Task: "fashion", Model: "mlp", Class: query.Strict,
		AcceptedAt: now, DeadlineAt: now.Add(time.Second), ExpiresAt: now.Add(time.Minute),
		Input: query.Input{ContentType: "image/png", Data: []byte(id)},
	}
}

func messages(n int) []query.Message {
	out := make([]query.Message, n)
	for i := range out {
		out[i] = message(fmt.Sprintf("m%03d", i))
	}
	return out
}

func succeeded(label string) query.Outcome {
	return query.Outcome{
		State: query.Succeeded, FinishedAt: time.Now().UTC().Truncate(time.Millisecond),
		RanOn:  query.Runner{Kind: query.OnWorker, Name: "w1"},
		Result: &query.Result{Label: label, Index: 7, Scores: []float32{0.1, 0.9}},
	}
}

// must ends a case whose ground is gone.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// take receives exactly one message, which must come.
func (s *suite) take(t *testing.T, q platform.QueueName) platform.Delivery {
	t.Helper()
	ds, err := s.Backend.Queues.Receive(t.Context(), q, 1, s.Lease, 10*s.Lease)
	must(t, err)
	if len(ds) != 1 {
		t.Fatalf("%d messages came from %s, want 1", len(ds), q)
	}
	return ds[0]
}

// empty holds that nothing is visible on a queue.
func (s *suite) empty(t *testing.T, q platform.QueueName) {
	t.Helper()
	ds, err := s.Backend.Queues.Receive(t.Context(), q, 10, s.Lease, 0)
	must(t, err)
	for _, d := range ds {
		t.Errorf("%s came from %s, want nothing", d.Message.ID, q)
	}
}
