package platformtest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

const pool = "contract"

var fleetCases = []contractCase{
	{"workers are listed by their last report", anyBackend, workersReport},
	{"a drain mark reaches its worker and stays", anyBackend, drainStays},
	{"a worker that is gone is gone", anyBackend, goneIsGone},
	{"the report of a dead worker is refused", anyBackend, deadIsReported},
	{"what a worker has counted outlives it", anyBackend, talliesStay},
	{"the desired number is a number", anyBackend, desiredIsNumber},
	{"the last view is the view", anyBackend, lastView},
	{"a worker that never reports boots since it was first seen", anyBackend, bootsSince},
	{"a worker that drains takes its place with it", anyBackend, drainTakesItsPlace},
	{"a dead worker is ended and replaced", anyBackend, deadIsReplaced},
	{"a dead worker that is not needed takes its place with it", anyBackend, deadIsNotNeeded},
	{"a launch that failed is reported until one succeeds", anyBackend, launchFails},
}

func report(id string, state platform.WorkerState) platform.WorkerReport {
	return platform.WorkerReport{
		ID: id, Pool: pool, InstanceType: "c5.large", State: state,
		At: time.Now().UTC().Truncate(time.Millisecond), Runners: 2, StrictMS: 1.5, Answered: 1 << 40, Paced: true,
	}
}

func (s *suite) report(t *testing.T, r platform.WorkerReport) platform.Orders {
	t.Helper()
	o, err := s.Backend.Fleet.Report(t.Context(), r)
	must(t, err)
	return o
}

func (s *suite) workers(t *testing.T, want ...platform.WorkerReport) {
	t.Helper()
	got, err := s.Backend.Fleet.Workers(t.Context(), pool)
	must(t, err)
	if diff := cmp.Diff(append([]platform.WorkerReport{}, want...), append([]platform.WorkerReport{}, got...)); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
}

func workersReport(t *testing.T, s *suite) {
	s.workers(t)
	s.report(t, report("w2", platform.Ready))
	pass(time.Second)
	s.report(t, report("w1", platform.Booting))
	pass(time.Second)
	w1, w2 := report("w1", platform.Ready), report("w2", platform.Ready)
	w1.Busy, w2.HeldRelaxed = 2, 5
	s.report(t, w1)
	s.report(t, w2)
	other := report("w3", platform.Ready)
	other.Pool = "other"
	s.report(t, other)
	s.workers(t, w2, w1)
}

func drainStays(t *testing.T, s *suite) {
	s.report(t, report("w1", platform.Ready))
	s.report(t, report("w2", platform.Ready))
	must(t, s.Backend.Fleet.Drain(t.Context(), pool, "w1", "nobody"))
	for _, state := range []platform.WorkerState{platform.Ready, platform.Draining} {
		if o := s.report(t, report("w1", state)); !o.Drain {
			t.Errorf("a marked worker that is %s gets no order to drain", state)
		}
	}
	if o := s.report(t, report("w2", platform.Ready)); o.Drain {
		t.Error("an unmarked worker gets the order to drain")
	}
}

func goneIsGone(t *testing.T, s *suite) {
	w2 := report("w2", platform.Ready)
	s.report(t, report("w1", platform.Ready))
	s.report(t, w2)
	s.report(t, report("w1", platform.Gone))
	s.workers(t, w2)
}

func deadIsReported(t *testing.T, s *suite) {
	s.report(t, report("w1", platform.Ready))
	must(t, s.Revoke(t.Context(), "w1"))
	if _, err := s.Backend.Fleet.Report(t.Context(), report("w1", platform.Ready)); !errors.Is(err, platform.ErrRevoked) {
		t.Errorf("the report of a dead worker: %v, want ErrRevoked", err)
	}
	s.workers(t)
}

func talliesStay(t *testing.T, s *suite) {
	at := time.Now().UTC().Truncate(time.Millisecond)
	book, key := tally.NewBook(at), tally.Key{Task: "t", Model: "m", Class: query.Strict, Resource: "c5.large"}
	book.Ended(key, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: 12})
	listed := report("w1", platform.Ready)
	first := listed
	first.Tallies = book.Snapshot(at)
	s.report(t, first)
	s.workers(t, listed) // they are read more often, and without tallies
	book.Ended(key, tally.Observation{State: query.Expired})
	book.OnFunctions(func() []breaker.Open {
		return []breaker.Open{{Model: "m", Until: at.Add(time.Minute), Why: "it broke"}}
	})
	last := report("w1", platform.Ready)
	last.Tallies = book.Snapshot(at.Add(time.Second))
	s.report(t, last)
	s.report(t, report("w1", platform.Ready)) // says nothing of them
	s.report(t, report("w1", platform.Gone))
	other := report("w2", platform.Ready)
	other.Pool, other.Tallies = platform.FunctionsPool, first.Tallies
	s.report(t, other)
	for of, want := range map[string]map[string]tally.Snapshot{pool: {"w1": last.Tallies}, platform.FunctionsPool: {"w2": first.Tallies}, "nobody's": {}} {
		got, err := s.Backend.Fleet.Tallies(t.Context(), of)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tallies of pool %s (-want +got):\n%s", of, diff)
		}
	}
}

func desiredIsNumber(t *testing.T, s *suite) {
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, 3))
	must(t, s.Backend.Fleet.SetDesired(t.Context(), pool, 0))
	if err := s.Backend.Fleet.SetDesired(t.Context(), pool, -1); err == nil {
		t.Error("desiring -1 workers was no error")
	}
}

func lastView(t *testing.T, s *suite) {
	if _, err := s.Backend.Fleet.View(t.Context()); !errors.Is(err, platform.ErrNotFound) {
		t.Errorf("a view that was never published: %v, want ErrNotFound", err)
	}
	var want platform.FleetView
	for i := range 2 {
		at := time.Now().UTC().Truncate(time.Millisecond)
		want = platform.FleetView{At: at, Pools: []placement.Pool{{Name: pool, Workers: i, Runners: 2 * i, StrictMS: 0.25, At: at}}}
		must(t, s.Backend.Fleet.PublishView(t.Context(), want))
	}
	got, err := s.Backend.Fleet.View(t.Context())
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
}
