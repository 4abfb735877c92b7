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
// a single runner none can be kept: there it holds for half of a caller's share, as a caller
// nearer to it has a backlog now and then, and takes its turn with that. Time is the queue's own.
func TestACallerIsNotKeptToOneRunner(t *testing.T) {
	for _, tc := range []struct {
		runners int
		apartMS float64 // on average
	}{{1, 600}, {2, 200}, {4, 100}} {
		for _, greedyMS := range []float64{5, 100, 1200} {
			t.Run(fmt.Sprintf("%d runners, queries of %g ms", tc.runners, greedyMS), func(t *testing.T) {
				for seed := range uint64(3) {
					random := rand.New(rand.NewPCG(seed, uint64(tc.runners)))
					var at, ms []float64
					now := 3000.0
					for range 3000 {
						now += random.ExpFloat64() * tc.apartMS
						at, ms = append(at, now), append(ms, 100)
					}
					alone := p99((&shared{q: NewQueue[int](tc.runners)}).waits(at, ms), ms)
					crowded := &shared{q: NewQueue[int](tc.runners), crowd: 20, greedy: func() float64 { return greedyMS }}
					if got := p99(crowded.waits(at, ms), ms); got > alone+alone/10 {
						t.Errorf("seed %d: p99 %v, alone %v", seed, got, alone)
					}
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
		ms      float64
		want    int // of them that start
	}{
		{"while another runs", 1, []ask{strict("a")}, []ask{strict("b")}, 100, 1},
		{"another has used about as much", 1, []ask{strict("a")}, []ask{strict("b")}, 101, 0},
		{"its own alone", 1, []ask{strict("a")}, []ask{strict("a")}, 100, 0},
		{"no express place is left", 1, []ask{strict("a")}, []ask{strict("b"), strict("c")}, 100, 1},
		{"as many places as the others' runners", 3, []ask{strict("a"), strict("a"), strict("a")}, []ask{strict("b"), strict("c"), strict("d")}, 100, 2},
		{"relaxed", 1, []ask{strict("a")}, []ask{{"b", query.Relaxed}}, 100, 0},
		{"a second one of an owner who has one of two runs", 1, []ask{strict("a"), strict("b")}, []ask{strict("b")}, 100, 0},
		{"no runner", 0, nil, []ask{strict("b")}, 100, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := NewQueue[int](tc.runners)
			add := func(a ask, ms float64) bool {
				q.Add(Work{Class: a.class, Owner: a.owner, DeadlineAt: after(1e6), P50MS: ms, P99MS: ms}, 0)
				_, ok := q.Start(t0, 1)
				return ok
			}
			for _, a := range tc.before {
				ms := 1000.0
				if a.owner != "a" {
					ms = 100
				}
				if !add(a, ms) {
					t.Fatalf("%v does not run", a)
				}
			}
			started := 0
			for _, a := range tc.then {
				if add(a, tc.ms) {
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
	first, express := run("a", 1500), run("b", 150)
	more := Work{Class: query.Strict, Owner: "c", DeadlineAt: after(1e6), P50MS: 10, P99MS: 10}
	a := more
	a.Owner = "a"
	if p := q.Predict(t0, more); p.StartsAt.Sub(t0) != 1650*time.Millisecond {
		t.Errorf("predicted to start in %v", p.StartsAt.Sub(t0))
	}
	q.Add(a, 1)
	q.Done(first.Ticket, after(100))
	if _, ok := q.Start(after(100), 1); ok {
		t.Error("a run starts during the express run")
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
		t.Error("no express run during one of 4 s")
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
		if _, ok := q.Start(after(200), 1); ok {
			started++
		}
	}
	for now := 210.0; ; now += 10 {
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

// Runs that divide the cores take longer, and are predicted to: no longer than if the
// express run had waited, and all the work is done.
func TestPredictsThatExpressRunsDivideTheCores(t *testing.T) {
	for _, tc := range []struct {
		name              string
		runners           int
		longMS            float64 // what runs
		end, latest, next float64
	}{
		{"one runner", 1, 1500, 200, 300, 1600},
		{"no later than the next", 1, 1000, 200, 300, 1100},
		{"of two runners, half of what is too much", 2, 1500, 150, 225, 1500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := NewQueue[int](tc.runners)
			for range tc.runners {
				q.Add(Work{Class: query.Strict, Owner: "a", DeadlineAt: after(1e6), P50MS: tc.longMS, P99MS: tc.longMS}, 0)
				q.Start(t0, 1)
			}
			w := Work{Class: query.Strict, Owner: "b", DeadlineAt: after(1e6), P50MS: 100, P99MS: 150}
			p := q.Predict(t0, w)
			if !p.StartsAt.Equal(t0) || !p.EndsAt.Equal(after(tc.end)) || !p.LatestAt.Equal(after(tc.latest)) {
				t.Errorf("predicted %+v", p)
			}
			q.Add(w, 1)
			w.Owner = "c"
			q.Start(t0, 1)
			w.Class = query.Relaxed
			if p := q.Predict(t0, w); !p.StartsAt.Equal(after(tc.next)) {
				t.Errorf("the next one is predicted to start in %v", p.StartsAt.Sub(t0))
			}
		})
	}
}

// How long runs take that divide the cores with an express run says of the machine what
// is certain: no slower where the cores were divided, and slower beyond that.
func TestExpressRunsAreNoSlowMachine(t *testing.T) {
	for _, tc := range []struct {
		name            string
		tookMS          float64 // both, from t0 on
		atLeast, atMost float64 // of the pace
	}{
		{"as if they ran all the time", 1000, 1, 1},
		{"as the cores were divided", 2000, 1, 1},
		{"on a machine of half the speed", 4000, 1.1, 2},
		{"on a machine of twice the speed", 500, 0.25, 0.95},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := NewQueue[int](1)
			var runs []Run[int]
			for _, owner := range []string{"a", "b"} {
				q.Add(Work{Class: query.Strict, Owner: owner, Model: owner, DeadlineAt: after(1e6), P50MS: map[string]float64{"a": 1000, "b": 100}[owner]}, 0)
				r, ok := q.Start(t0, 1)
				if !ok {
					t.Fatalf("the query of %s does not start", owner)
				}
				runs = append(runs, r)
			}
			for _, r := range runs {
				q.Done(r.Ticket, after(tc.tookMS))
			}
			if got := q.paces[paced{model: "a"}].last(); got < tc.atLeast || got > tc.atMost {
				t.Errorf("pace %v", got)
			}
		})
	}
}

// A caller's queries are admitted where another one sends many times what the worker can do.
func TestAnOwnerAboveItsShareLeavesRoom(t *testing.T) {
	work := func(owner string) Work {
		return Work{Class: query.Strict, Owner: owner, DeadlineAt: after(500), P50MS: 10, P99MS: 12}
	}
	for _, tc := range []struct {
		name     string
		others   bool // another owner was there lately
		usedMS   float64
		admitted int // of the first owner's; 12 ms at the end of 10 ms each
		then     bool
	}{
		{"above its share", true, 3000, 24, true},
		{"within its share", true, 1000, 49, false},
		{"alone", false, 3000, 49, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := NewQueue[int](1)
			if tc.others {
				q.Add(work("b"), 0)
				r, _ := q.Start(t0, 1)
				q.Abort(r.Ticket, t0)
			}
			q.uses.count(t0, "a", tc.usedMS, 1)
			q.Add(work("a"), 0)
			q.Start(t0, 1)
			admitted := 0
			for {
				w := work("a")
				if _, ok := q.Admit(t0, w, w.DeadlineAt, 0); !ok {
					break
				}
				admitted++
			}
			w := work("c")
			if _, ok := q.Admit(t0, w, after(500), 1); admitted != tc.admitted-1 || ok != tc.then {
				t.Errorf("%d admitted, want %d; another owner's %v", admitted, tc.admitted-1, ok)
			}
		})
	}
}

// An owner above its share has a runner that is free, however tight the bound.
func TestAFreeRunnerIsForAll(t *testing.T) {
	q := NewQueue[int](1)
	for _, owner := range []string{"b", "a"} {
		q.Add(Work{Class: query.Strict, Owner: owner, DeadlineAt: after(500), P50MS: 10}, 0)
		r, _ := q.Start(t0, 1)
		q.Abort(r.Ticket, t0)
	}
	q.uses.count(t0, "a", 1e4, 1)
	w := Work{Class: query.Strict, Owner: "a", DeadlineAt: after(12), P50MS: 10, P99MS: 12}
	if _, ok := q.Admit(t0, w, w.DeadlineAt, 0); !ok {
		t.Error("not admitted")
	}
}

// The queries of a model without a service time take their turn behind their owner's own.
func TestWithoutAServiceTimeAnOwnerTakesItsTurn(t *testing.T) {
	q := NewQueue[int](1)
	for i, want := range []bool{true, false} {
		q.Add(Work{Class: query.Strict, Owner: "a", DeadlineAt: after(1e6)}, i)
		if _, ok := q.Start(after(float64(50*i)), 1); ok != want {
			t.Errorf("query %d starts: %v", i, ok)
		}
	}
}
