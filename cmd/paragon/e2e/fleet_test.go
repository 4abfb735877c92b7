package e2e_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// lively are the settings of a controller that moves at once.
const lively = "tick_seconds=1,watch_seconds=0,scale_in_wait_seconds=0,view_seconds=0.2,metric_settle_seconds=1"

// stored returns the records of this machine's caller that a backend that was
// stopped holds.
func stored(t *testing.T, dataDir string) []query.Record {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(dataDir, "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	recs, err := backend.Platform().Records.ListRecords(t.Context(), "local", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return recs
}

// keepBusy has callers submit relaxed queries, each as soon as its last one is
// answered, until stop is called, which returns how many were answered.
func (s *stage) keepBusy(callers int) (stop func() int) {
	sub, ctx, answered := relaxed(pictures(s.t)[0]), make(chan struct{}), make(chan struct{}, 1<<16)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for {
				select {
				case <-ctx:
					return
				default:
				}
				q, err := s.Submit(context.Background(), sub, client.Options{})
				if err != nil {
					s.t.Errorf("submit: %v", err)
					return
				}
				if s.finish(q).State == query.Succeeded {
					answered <- struct{}{}
				}
			}
		})
	}
	return func() int { close(ctx); all.Wait(); return len(answered) }
}

// interrupted holds every query to one run, and reports which of those that ran
// across the moment were finished by the worker that began them.
func interrupted(t *testing.T, recs []query.Record, moment time.Time) (across []string) {
	t.Helper()
	for _, r := range recs {
		if r.State != query.Succeeded {
			t.Errorf("query %s ended as %s: %+v", r.ID, r.State, r.Outcome)
			continue
		}
		if o := r.Outcome; o.Attempts != 0 || r.Trail.Count(query.StepRetried) != 0 {
			t.Errorf("query %s was interrupted: %d runs of it ended without an answer, %+v", r.ID, o.Attempts, r.Trail)
		} else if o.StartedAt.Before(moment) && o.FinishedAt.After(moment) {
			across = append(across, o.RanOn.Name)
		}
	}
	return across
}

// Scale-in interrupts no query: while two of three busy workers are drained,
// each query runs once, and what ran on them when they were asked to leave was
// finished there.
func TestScaleInInterruptsNoQuery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, dir, "--workers=3", "--boot-seconds=0", "--scheme=reactive", flag("profiles", slowProfiles(t, burstServiceMS)),
		"--set="+lively+",min_workers=3,max_workers=3,idle_seconds=0")
	s.workersReady(3)
	stop := s.keepBusy(18)
	s.until("a full fleet", func() bool { return s.pool().Busy == 6 })
	before := s.workers()
	for _, name := range []string{"min_workers", "max_workers"} {
		if _, err := s.Set(t.Context(), name, "1"); err != nil {
			t.Fatal(err)
		}
	}
	s.until("one worker", func() bool { return len(s.workers()) == 1 })
	left := s.workers()
	if answered := stop(); answered == 0 {
		t.Error("nothing was answered")
	}
	drained := s.drained()
	s.stop()
	across := interrupted(t, stored(t, dir), drained)
	onLeaving := slices.DeleteFunc(across, func(id string) bool { return slices.Contains(left, id) || !slices.Contains(before, id) })
	if len(onLeaving) == 0 {
		t.Errorf("no query ran on the workers that left (%v of %v) when they were told to", left, before)
	}
}

// workers lists the workers that are there.
func (s *stage) workers() (ids []string) {
	s.t.Helper()
	f, err := s.Faults(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, w := range f.Workers {
		ids = append(ids, w.ID)
	}
	return ids
}

// drained is when the controller decided upon fewer workers.
func (s *stage) drained() time.Time {
	s.t.Helper()
	moves, err := s.Decisions(context.Background(), api.DecisionQuery{Pool: "general", Moves: true, Limit: 100})
	if err != nil || len(moves) == 0 {
		s.t.Fatalf("decisions that move: %+v, error %v", moves, err)
	}
	return moves[0].At
}

// fault types a `paragon fault` command.
func (s *stage) fault(args ...string) string {
	s.t.Helper()
	out, err := exec.Command(built(s.t, "paragon"), append([]string{"fault", "--endpoint", s.URL}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("paragon fault %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// A bad day by command line: the only worker gets its spot notice while there
// is no capacity, and the queries wait, each interrupted by nothing, until
// there is again.
func TestABadDay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := up(t, dir, "--workers=1", "--boot-seconds=0", flag("profiles", slowProfiles(t, burstServiceMS)))
	s.workersReady(1)
	victim := s.workers()[0]
	if out := s.fault(api.NoCapacity); !strings.Contains(out, "no-capacity\n") {
		t.Errorf("printed %s", out)
	}
	stop := s.keepBusy(6)
	s.until("a full worker", func() bool { return s.pool().Busy == 2 })
	noticed := time.Now() // by the command's end what ran may have ended, too
	s.fault(api.SpotNotice, victim)
	s.until("no worker", func() bool { return len(s.workers()) == 0 })
	s.fault("clear")
	s.until("another worker", func() bool { ids := s.workers(); return len(ids) == 1 && s.pool().Ready == 1 && ids[0] != victim })
	stop()
	s.stop()
	if across := interrupted(t, stored(t, dir), noticed); !slices.Contains(across, victim) {
		t.Errorf("what ran when the notice came was finished on %v, want %s", across, victim)
	}
}

// Relaxed queries that the one worker cannot start in time go to functions at
// their bounds when the scheme says so, and wait when it does not.
func TestRelaxedQueriesGoToFunctionsAtTheirBounds(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir(), "--workers=1", "--boot-seconds=0", "--scheme=reactive", flag("profiles", slowProfiles(t, burstServiceMS)),
		flag("max-functions", burstFunctions), "--set="+lively+",min_workers=1,max_workers=1,max_batch=1,max_overflow_concurrency=16")
	s.workersReady(1)
	subs := make([]client.Submission, 60) // 7.5 s of work, with bounds of 4 s
	for i := range subs {
		subs[i] = relaxed(pictures(t)[i])
		subs[i].Constraints.LatencyMS = 4000
	}
	if n := count(s.burst(subs), query.Relaxed); n.onFunctions != 0 {
		t.Errorf("under reactive %d of %d relaxed queries ran on functions", n.onFunctions, n.all)
	}
	if _, err := s.Set(t.Context(), "scheme", "mixed"); err != nil {
		t.Fatal(err)
	}
	s.until("a decision of mixed, and workers that know of it", func() bool { return s.handsOver(subs) })
}

// handsOver reports whether some of the queries were handed over by the worker.
func (s *stage) handsOver(subs []client.Submission) bool {
	return slices.ContainsFunc(s.burst(subs), func(q api.Query) bool {
		return q.Trail.Count(query.StepDeclined) > 0 && q.ServedBy.Kind == query.OnFunction
	})
}
