package e2e_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A worker of the burst's fleet answers four queries a second a runner: two
// workers of two runners make sixteen a second, and hold what starts in time.
const (
	burstServiceMS = 250
	burstBoundMS   = 4000
	burstFunctions = 16
)

func burstStage(t *testing.T) *stage {
	s := up(t, t.TempDir(), "--workers=2", "--boot-seconds=0", flag("max-functions", burstFunctions),
		flag("profiles", slowProfiles(t, burstServiceMS)), flag("set", "max_overflow_concurrency=16"))
	s.workersReady(2)
	return s
}

func strict(p picture) client.Submission {
	return client.Submission{
		Task: "fashion", Class: query.Strict, Input: query.Input{ContentType: "image/png", Data: p.data},
		Constraints: query.Constraints{LatencyMS: burstBoundMS},
	}
}

func relaxed(p picture) client.Submission {
	s := strict(p)
	s.Class, s.Constraints.LatencyMS = query.Relaxed, 30_000
	return s
}

// burst submits everything at once and returns the finished queries in order.
func (s *stage) burst(subs []client.Submission) []api.Query {
	s.t.Helper()
	out := make([]api.Query, len(subs))
	var wg sync.WaitGroup
	for i, sub := range subs {
		wg.Go(func() {
			q, err := s.Submit(context.Background(), sub, client.Options{})
			if err != nil {
				s.t.Errorf("submit: %v", err)
				return
			}
			out[i] = s.finish(q)
		})
	}
	wg.Wait()
	if s.t.Failed() {
		s.t.FailNow()
	}
	return out
}

// tally counts what became of queries of one class.
type tally struct{ all, met, onWorkers, onFunctions, explained int }

func count(qs []api.Query, class query.Class) tally {
	var n tally
	for _, q := range qs {
		if q.Class != class {
			continue
		}
		n.all++
		if q.MetSLO != nil && *q.MetSLO {
			n.met++
		}
		if q.ServedBy != nil && q.ServedBy.Kind == query.OnWorker {
			n.onWorkers++
		}
		if q.ServedBy != nil && q.ServedBy.Kind == query.OnFunction {
			n.onFunctions++
		}
		if len(q.Trail) >= 2 && q.Trail[0].Event == query.StepPlaced && q.Trail[0].Why != "" && q.Trail[len(q.Trail)-1].Event == query.StepRan {
			n.explained++
		}
	}
	return n
}

// A burst beyond the slots overflows, as a batch takes its queries' time and not that of
// one: 64 of the 160 strict queries can be answered by workers within their bound. Once
// the functions are warm, 99 % of the strict queries keep it, and the relaxed ones wait
// for a worker.
func TestBurstOverflowsAndRelaxedQueriesWait(t *testing.T) {
	s := burstStage(t)
	pics := pictures(t)
	var subs []client.Submission
	for i := range 160 {
		subs = append(subs, strict(pics[i%len(pics)]))
		if i%2 == 0 {
			subs = append(subs, relaxed(pics[i%len(pics)]))
		}
	}
	s.burst(subs) // starts the functions
	var qs []api.Query
	var st, rx tally
	// Where something else takes the machine's cores, functions start slowly, and the
	// next burst still finds some cold: of five bursts one must hold.
	for range 5 {
		s.until("idle workers", func() bool { p := s.pool(); return p.Ready == 2 && p.Busy == 0 && p.Queued == 0 })
		qs = s.burst(subs)
		st, rx = count(qs, query.Strict), count(qs, query.Relaxed)
		t.Logf("strict %+v, relaxed %+v", st, rx)
		if st.met*100 >= st.all*99 && rx.onWorkers == rx.all {
			break
		}
	}
	if st.met*100 < st.all*99 {
		t.Errorf("%d of %d strict queries kept their bound", st.met, st.all)
	}
	if st.onFunctions == 0 || st.onWorkers == 0 {
		t.Errorf("strict queries ran %d times on workers and %d times on functions: both are wanted", st.onWorkers, st.onFunctions)
	}
	if rx.onWorkers != rx.all {
		t.Errorf("%d of %d relaxed queries were answered by a worker", rx.onWorkers, rx.all)
	}
	if st.explained != st.all || rx.explained != rx.all {
		t.Errorf("%d of %d trails tell where the query was placed, why, and where it ran", st.explained+rx.explained, st.all+rx.all)
	}
	for _, q := range qs {
		if !q.ServedBy.Paced {
			t.Fatalf("query %s does not say that it was paced", q.ID)
		}
	}
}

// At half of what the workers can do, overflow would be money for nothing.
func TestHalfLoadDoesNotOverflow(t *testing.T) {
	s := burstStage(t)
	pics := pictures(t)
	every := time.Second / 8 // half of sixteen a second
	tick := time.NewTicker(every)
	defer tick.Stop()
	var wg sync.WaitGroup
	out := make([]api.Query, 80)
	for i := range out {
		<-tick.C
		wg.Go(func() {
			q, err := s.Submit(context.Background(), strict(pics[i]), client.Options{})
			if err != nil {
				t.Errorf("submit: %v", err)
				return
			}
			out[i] = s.finish(q)
		})
	}
	wg.Wait()
	if got := count(out, query.Strict); got.onWorkers != len(out) {
		t.Errorf("at half load %d of %d queries ran on workers: %+v", got.onWorkers, len(out), got)
	}
}
