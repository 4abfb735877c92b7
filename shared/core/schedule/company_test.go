package schedule

import (
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// p99 is the 99th percentile of latencies.
func p99(waits []time.Duration, serviceMS []float64) time.Duration {
	all := make([]time.Duration, len(waits))
	for i, w := range waits {
		all[i] = w + query.Duration(serviceMS[i])
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// Whatever one caller sends, the p99 of another, who keeps to its share of the
// runners, moves by at most 10 %: the promise, on any worker of two runners or more.
// Time is the queue's own.
func TestNoCallerMovesAnothersP99(t *testing.T) {
	always := func(ms ...float64) func() float64 {
		i := 0
		return func() float64 { i++; return ms[i%len(ms)] }
	}
	for _, tc := range []struct {
		name   string
		greedy shared
	}{
		{"60 large pictures", shared{greedy: always(1200), crowd: 60, most: 60, from: 3000}},
		{"60 large pictures, before the other comes", shared{greedy: always(1200), crowd: 60, most: 60}},
		{"twenty times its share", shared{greedy: always(5), crowd: 20}},
		{"twenty times its share, of all lengths", shared{greedy: always(1, 50, 5, 300, 20), crowd: 20}},
	} {
		for _, runners := range []int{2, 4} {
			var at, ms []float64
			for i := range 2000 {
				at, ms = append(at, 40*float64(i)), append(ms, []float64{5, 7, 3}[i%3])
			}
			alone := p99((&shared{q: NewQueue[int](runners)}).waits(at, ms), ms)
			crowded := tc.greedy
			crowded.q = NewQueue[int](runners)
			if got := p99(crowded.waits(at, ms), ms); got > alone+alone/10 {
				t.Errorf("%s, %d runners: p99 %v, alone %v", tc.name, runners, got, alone)
			}
		}
	}
}

// An owner alone has every runner, also after others have left; a backlog of two
// owners uses every runner; and with one runner nothing is kept free.
func TestOnlyTheLastRunnerIsKeptAndOnlyInCompany(t *testing.T) {
	work := func(owner string) Work {
		return Work{Class: query.Relaxed, Owner: owner, DeadlineAt: after(1e6), P50MS: 100, P99MS: 100}
	}
	start := func(q *Queue[int], at time.Time) (n int) {
		for {
			if _, ok := q.Start(at, 1); !ok {
				return n
			}
			n++
		}
	}
	for _, tc := range []struct {
		name    string
		runners int
		before  string        // who ran something before
		ago     time.Duration // how long before
		owners  string        // of the queries that are added
		want    int           // of them that start
	}{
		{"alone", 4, "", 0, "aaaaaa", 4},
		{"another was there", 4, "b", time.Second, "aaaaaa", 3},
		{"another has left", 4, "b", companyFor, "aaaaaa", 4},
		{"both wait", 4, "b", time.Second, "aaaaaab", 4},
		{"a pair of runners", 2, "b", time.Second, "aaaa", 1},
		{"one runner", 1, "b", time.Second, "aaaa", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := NewQueue[int](tc.runners)
			run := func(owner string, at time.Time) {
				q.Add(work(owner), 0)
				r, ok := q.Start(at, 1)
				if !ok {
					t.Fatal("an idle worker starts nothing")
				}
				q.Done(r.Ticket, at)
			}
			if tc.before != "" {
				run(tc.before, t0.Add(-tc.ago))
				run("a", t0)
			}
			for i, o := range tc.owners {
				q.Add(work(string(o)), i)
			}
			if got := start(q, t0); got != tc.want {
				t.Errorf("%d start, want %d", got, tc.want)
			}
		})
	}
}

// The runner that is kept has no room for more of its owner's messages: they would be
// received and given back again and again.
func TestTheKeptRunnerHasNoRoom(t *testing.T) {
	q := NewQueue[int](2)
	for _, owner := range []string{"b", "a"} {
		q.Add(Work{Class: query.Relaxed, Owner: owner, DeadlineAt: after(1e6), P50MS: 1000, P99MS: 1000}, 0)
		r, _ := q.Start(t0, 1)
		if owner == "b" {
			q.Abort(r.Ticket, t0)
		}
	}
	if n, wait := q.Room(query.Relaxed, t0, 50*time.Millisecond, 1); n != 0 || wait != 950*time.Millisecond {
		t.Errorf("room for %d, wait %v", n, wait)
	}
	q.Add(Work{Class: query.Relaxed, Owner: "a", DeadlineAt: after(1e6), P50MS: 1, P99MS: 1}, 1)
	if late := q.EvictSurplus(t0, 50*time.Millisecond, time.Time{}); len(late) != 1 {
		t.Errorf("%d given back of one that cannot start", len(late))
	}
	q.Add(Work{Class: query.Strict, Owner: "b", DeadlineAt: after(10), P50MS: 1, P99MS: 1}, 2)
	if late := q.evictStrict(t0); len(late) > 0 {
		t.Errorf("the runner is not there for the other owner: %v", late)
	}
}
