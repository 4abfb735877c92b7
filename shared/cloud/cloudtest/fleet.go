package cloudtest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"paragon/shared/cloud"
	"paragon/shared/core/placement"
	"paragon/shared/core/query"
	"paragon/shared/core/tally"
)

const pool = "contract"

var fleetCases = []contractCase{
	{"workers are listed by their last report", anyHome, workersReport},
	{"a drain mark reaches its worker and stays", anyHome, drainStays},
	{"a worker that is gone is gone", anyHome, goneIsGone},
	{"a dead worker is told so", anyHome, deadIsTold},
	{"what a worker has counted outlives it", anyHome, talliesStay},
	{"the desired number is a number", anyHome, desiredIsNumber},
	{"the last view is the view", anyHome, lastView},
}

func report(id string, state cloud.WorkerState) cloud.WorkerReport {
	return cloud.WorkerReport{
		ID: id, Pool: pool, InstanceType: "c5.large", State: state,
		At: time.Now().UTC().Truncate(time.Millisecond), Runners: 2, StrictMS: 1.5, Answered: 1 << 40, Paced: true,
	}
}

func (s *suite) report(t *testing.T, r cloud.WorkerReport) cloud.Orders {
	t.Helper()
	o, err := s.Home.Fleet.Report(t.Context(), r)
	must(t, err)
	return o
}

func (s *suite) workers(t *testing.T, want ...cloud.WorkerReport) {
	t.Helper()
	got, err := s.Home.Fleet.Workers(t.Context(), pool)
	must(t, err)
	if diff := cmp.Diff(append([]cloud.WorkerReport{}, want...), append([]cloud.WorkerReport{}, got...)); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
}

func workersReport(t *testing.T, s *suite) {
	s.workers(t)
	s.report(t, report("w2", cloud.Ready))
	pass(time.Second)
	s.report(t, report("w1", cloud.Booting))
	pass(time.Second)
	w1, w2 := report("w1", cloud.Ready), report("w2", cloud.Ready)
	w1.Busy, w2.HeldRelaxed = 2, 5
	s.report(t, w1)
	s.report(t, w2)
	other := report("w3", cloud.Ready)
	other.Pool = "other"
	s.report(t, other)
	s.workers(t, w2, w1)
}

func drainStays(t *testing.T, s *suite) {
	s.report(t, report("w1", cloud.Ready))
	s.report(t, report("w2", cloud.Ready))
	must(t, s.Home.Fleet.Drain(t.Context(), pool, "w1", "nobody"))
	for _, state := range []cloud.WorkerState{cloud.Ready, cloud.Draining} {
		if o := s.report(t, report("w1", state)); !o.Drain {
			t.Errorf("a marked worker that is %s is not told to drain", state)
		}
	}
	if o := s.report(t, report("w2", cloud.Ready)); o.Drain {
		t.Error("an unmarked worker is told to drain")
	}
}

func goneIsGone(t *testing.T, s *suite) {
	w2 := report("w2", cloud.Ready)
	s.report(t, report("w1", cloud.Ready))
	s.report(t, w2)
	s.report(t, report("w1", cloud.Gone))
	s.workers(t, w2)
}

func deadIsTold(t *testing.T, s *suite) {
	s.report(t, report("w1", cloud.Ready))
	must(t, s.Revoke(t.Context(), "w1"))
	if _, err := s.Home.Fleet.Report(t.Context(), report("w1", cloud.Ready)); !errors.Is(err, cloud.ErrRevoked) {
		t.Errorf("the report of a dead worker: %v, want ErrRevoked", err)
	}
	s.workers(t)
}

func talliesStay(t *testing.T, s *suite) {
	at := time.Now().UTC().Truncate(time.Millisecond)
	book, key := tally.NewBook(at), tally.Key{Task: "t", Model: "m", Class: query.Strict, Resource: "c5.large"}
	book.Ended(key, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: 12})
	listed := report("w1", cloud.Ready)
	first := listed
	first.Tallies = book.Snapshot(at)
	s.report(t, first)
	s.workers(t, listed) // they are read more often, and without tallies
	book.Ended(key, tally.Observation{State: query.Expired})
	last := report("w1", cloud.Ready)
	last.Tallies = book.Snapshot(at.Add(time.Second))
	s.report(t, last)
	s.report(t, report("w1", cloud.Ready)) // says nothing of them
	s.report(t, report("w1", cloud.Gone))
	other := report("w2", cloud.Ready)
	other.Pool, other.Tallies = cloud.FunctionsPool, first.Tallies
	s.report(t, other)
	for of, want := range map[string]map[string]tally.Snapshot{pool: {"w1": last.Tallies}, cloud.FunctionsPool: {"w2": first.Tallies}, "nobody's": {}} {
		got, err := s.Home.Fleet.Tallies(t.Context(), of)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tallies of pool %s (-want +got):\n%s", of, diff)
		}
	}
}

func desiredIsNumber(t *testing.T, s *suite) {
	must(t, s.Home.Fleet.SetDesired(t.Context(), pool, 3))
	must(t, s.Home.Fleet.SetDesired(t.Context(), pool, 0))
	if err := s.Home.Fleet.SetDesired(t.Context(), pool, -1); err == nil {
		t.Error("desiring -1 workers was no error")
	}
}

func lastView(t *testing.T, s *suite) {
	if _, err := s.Home.Fleet.View(t.Context()); !errors.Is(err, cloud.ErrNotFound) {
		t.Errorf("a view that was never published: %v, want ErrNotFound", err)
	}
	var want cloud.View
	for i := range 2 {
		at := time.Now().UTC().Truncate(time.Millisecond)
		want = cloud.View{At: at, Pools: []placement.Pool{{Name: pool, Workers: i, Runners: 2 * i, StrictMS: 0.25, At: at}}}
		must(t, s.Home.Fleet.PublishView(t.Context(), want))
	}
	got, err := s.Home.Fleet.View(t.Context())
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
}
