package schedule

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// The p99 of a caller whose own queries overlap, as they come at random, moves by at most
// 10 % for what another sends: the runner that is kept for it is often taken by itself. On
// a single runner none can be kept. Time is the queue's own.
func TestACallerIsNotKeptToOneRunner(t *testing.T) {
	for _, runners := range []int{1, 2, 4} {
		for _, greedyMS := range []float64{5, 100, 1200} {
			t.Run(fmt.Sprintf("%d runners, queries of %g ms", runners, greedyMS), func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, uint64(runners)))
				var at, ms []float64
				now, apart := 3000.0, 400/float64(runners)
				for range 3000 {
					now += random.ExpFloat64() * apart
					at, ms = append(at, now), append(ms, 100)
				}
				alone := p99((&shared{q: NewQueue[int](runners)}).waits(at, ms), ms)
				crowded := &shared{q: NewQueue[int](runners), crowd: 20, greedy: func() float64 { return greedyMS }}
				if got := p99(crowded.waits(at, ms), ms); got > alone+alone/10 {
					t.Errorf("p99 %v, alone %v", got, alone)
				}
			})
		}
	}
}

// An express run is a strict query's of an owner who had no more than its share, while
// another owner's runs.
func TestWhoRunsOnExpress(t *testing.T) {
	type ask struct {
		owner string
		class query.Class
	}
	strict := func(owner string) ask { return ask{owner, query.Strict} }
	for _, tc := range []struct {
		name    string
		runners int
		before  []ask // they run
		then    []ask // they come, one after another
		want    int   // of them that start
	}{
		{"beside another", 1, []ask{strict("a")}, []ask{strict("b")}, 1},
		{"its own alone", 1, []ask{strict("a")}, []ask{strict("a")}, 0},
		{"no express place is left", 1, []ask{strict("a")}, []ask{strict("b"), strict("c")}, 1},
		{"as many places as the others' runners", 3, []ask{strict("a"), strict("a"), strict("a")}, []ask{strict("b"), strict("c"), strict("d")}, 2},
		{"relaxed", 1, []ask{strict("a")}, []ask{{"b", query.Relaxed}}, 0},
		{"a second one of an owner who has one of two runs", 1, []ask{strict("a"), strict("b")}, []ask{strict("b")}, 0},
		{"no runner", 0, nil, []ask{strict("b")}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := NewQueue[int](tc.runners)
			add := func(a ask) bool {
				q.Add(Work{Class: a.class, Owner: a.owner, DeadlineAt: after(1e6), P50MS: 100, P99MS: 100}, 0)
				_, ok := q.Start(t0, 1)
				return ok
			}
			for _, a := range tc.before {
				if !add(a) {
					t.Fatalf("%v does not run", a)
				}
			}
			started := 0
			for _, a := range tc.then {
				if add(a) {
					started++
				}
			}
			if started != tc.want {
				t.Errorf("%d start, want %d", started, tc.want)
			}
			if q.Busy() > tc.runners {
				t.Errorf("%d of %d runners are busy", q.Busy(), tc.runners)
			}
		})
	}
}

// No run starts when one ends while there are still as many as runners, and the
// prediction says so.
func TestTheOthersWaitForAnExpressRun(t *testing.T) {
	q := NewQueue[int](1)
	run := func(owner string, ms float64) Run[int] {
		q.Add(Work{Class: query.Strict, Owner: owner, DeadlineAt: after(1e6), P50MS: ms, P99MS: ms}, 0)
		r, ok := q.Start(t0, 1)
		if !ok {
			t.Fatalf("the query of %s does not start", owner)
		}
		return r
	}
	first, express := run("a", 1000), run("b", 150)
	more := Work{Class: query.Strict, Owner: "c", DeadlineAt: after(1e6), P50MS: 10, P99MS: 10}
	a := more
	a.Owner = "a"
	if p := q.Predict(t0, more); p.StartsAt.Sub(t0) != time.Second {
		t.Errorf("predicted to start in %v", p.StartsAt.Sub(t0))
	}
	q.Add(a, 1)
	q.Done(first.Ticket, after(100))
	if _, ok := q.Start(after(100), 1); ok {
		t.Error("a run starts beside the express run")
	}
	q.Done(express.Ticket, after(150))
	if _, ok := q.Start(after(150), 1); !ok {
		t.Error("nothing starts on a free runner")
	}
}

// A run that takes longer than it should counts for as long as it runs: its owner has no
// express run meanwhile, and leaves others theirs.
func TestALongRunIsItsOwners(t *testing.T) {
	q := NewQueue[int](2)
	start := func(owner string, at time.Time) (Run[int], bool) {
		q.Add(Work{Class: query.Strict, Owner: owner, DeadlineAt: after(1e6), P50MS: 100, P99MS: 100}, 0)
		return q.Start(at, 1)
	}
	start("a", t0)
	b, _ := start("b", after(4000))
	if _, ok := start("a", after(4001)); ok {
		t.Error("an express run for the owner of a run of 4 s")
	}
	if _, ok := start("b", after(4002)); !ok {
		t.Error("no express run beside one of 4 s")
	}
	q.Done(b.Ticket, after(8000))
	if used := q.uses.used(after(8000), "b", 2); used < 3800 {
		t.Errorf("runs of 4 s count %g ms", used)
	}
}

// Who has more queries waiting than may run at once takes its turn with them.
func TestABacklogIsNotRunOnExpress(t *testing.T) {
	q := NewQueue[int](1)
	add := func(owner string) {
		q.Add(Work{Class: query.Strict, Owner: owner, DeadlineAt: after(1e6), P50MS: 10, P99MS: 10}, 0)
	}
	add("a")
	q.Start(t0, 1)
	started := 0
	for range 1 + MostRuns(1) + 1 {
		add("b")
		if _, ok := q.Start(after(50), 1); ok {
			started++
		}
	}
	for now := 60.0; ; now += 10 {
		q.Done(q.tickets, after(now)) // the express run
		if _, ok := q.Start(after(now), 1); !ok {
			break
		}
		started++
	}
	if started != 1+MostRuns(1) || len(q.held) != 1 {
		t.Errorf("%d start, %d wait", started, len(q.held))
	}
}
