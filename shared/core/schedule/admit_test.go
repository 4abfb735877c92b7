package schedule

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"

	"pgregory.net/rapid"
)

// ends plays a queue by the plainest rules: everything takes its p50, and each
// query itself its p99.
func ends(q *Queue[int]) map[int]time.Time {
	out := map[int]time.Time{}
	starts(q, func(e *entry[int], s span) { out[e.item] = t0.Add(s.latest) })
	return out
}

// span is when a query starts and ends, if it takes its p50 and if it takes its p99.
type span struct{ start, end, latest time.Duration }

// starts plays a queue by the plainest rules and visits each query with when it
// starts: on the runner that comes free first; while several owners are there, on
// the next one when all others are the owner's; and on an express run where one is due,
// which has its part of the cores and leaves its work to the runner that comes free first.
func starts(q *Queue[int], visit func(e *entry[int], s span)) {
	type runner struct {
		free  time.Duration
		owner string
	}
	p := q.play(t0)
	var rs []runner
	for i := range p.free {
		rs = append(rs, runner{p.free[i], p.owners[i]})
	}
	express := MostRuns(q.runners) - max(q.runners, len(q.running))
	for _, e := range q.held {
		slices.SortStableFunc(rs, func(a, b runner) int { return cmp.Compare(a.free, b.free) })
		hoards := q.company.Several(t0) && len(rs) > 1
		for _, r := range rs[1:] {
			hoards = hoards && r.free > rs[0].free && r.owner == e.work.Owner
		}
		on := &rs[0]
		if hoards {
			on = &rs[1]
		}
		if on.free > 0 && express > 0 && q.onExpress(t0, e, &p.mostUsedMS) {
			part := float64(MostRuns(q.runners)-express+1) / float64(q.runners)
			ends := func(ms float64) time.Duration {
				return min(query.Duration(ms*part), rs[0].free+query.Duration(ms))
			}
			s := span{0, ends(e.work.P50MS), ends(e.work.P99MS)}
			express--
			visit(e, s)
			if s.end > rs[0].free {
				rs[0].owner = e.work.Owner
			}
			rs[0].free += query.Duration(e.work.P50MS)
			continue
		}
		end := on.free + query.Duration(e.work.P50MS)
		visit(e, span{on.free, end, on.free + query.Duration(e.work.P99MS)})
		on.free, on.owner = end, e.work.Owner
	}
}

// What Predict says is what adding the query brings, to it and to all others;
// and Predict itself changes nothing.
func TestPredictsWhatAddingBrings(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q, works := drawQueue(rt)
		w := drawWork(rt)
		before := ends(q)
		p := q.Predict(t0, w)
		if len(ends(q)) != len(before) || len(q.fair.flows) > 6 {
			rt.Fatal("predicting added something")
		}
		for item, at := range ends(q) {
			if at != before[item] {
				rt.Fatalf("predicting moved %d by %v", item, at.Sub(before[item]))
			}
		}
		q.Add(w, 99)
		after := ends(q)
		starts(q, func(e *entry[int], s span) {
			if e.item == 99 && (!p.StartsAt.Equal(t0.Add(s.start)) || !p.EndsAt.Equal(t0.Add(s.end)) || !p.LatestAt.Equal(t0.Add(s.latest))) {
				rt.Fatalf("predicted %+v, came to %+v", p, s)
			}
		})
		late := map[query.Class]int{}
		for item, w := range works {
			if !before[item].After(w.DeadlineAt) && after[item].After(w.DeadlineAt) {
				late[w.Class]++
			}
		}
		if p.StrictLate != late[query.Strict] || p.RelaxedLate != late[query.Relaxed] {
			rt.Fatalf("predicted %+v, made late %v", p, late)
		}
		free, atOnce := q.runners-len(q.running), false
		starts(q, func(e *entry[int], s span) {
			if e.item == 99 {
				atOnce = s.start == 0 && free > 0
			}
			if s.start == 0 {
				free--
			}
		})
		if p.AtOnce != atOnce {
			rt.Fatalf("at once %v, want %v", p.AtOnce, atOnce)
		}
	})
}

// Whatever asks, the strict ones admitted are in time as long as runs take what they are
// expected to.
func TestAdmittedQueriesStayInTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q := NewQueue[int](rapid.IntRange(1, 3).Draw(rt, "runners"))
		by, classes := map[int]time.Time{}, map[int]query.Class{}
		for i := range rapid.IntRange(1, 20).Draw(rt, "asked") {
			w := drawWork(rt)
			end := after(rapid.Float64Range(0, 1500).Draw(rt, "by"))
			p, ok := q.Admit(t0, w, end, i)
			if ok {
				by[i], classes[i] = end, w.Class
			}
			if ok != p.Fits(w.Class, end) || ok && p.LatestAt.After(end) {
				rt.Fatalf("admitted %v by %v: %+v", ok, end, p)
			}
		}
		got := ends(q)
		if len(got) != len(by) {
			rt.Fatalf("%d held of %d admitted", len(got), len(by))
		}
		for item, end := range got {
			if classes[item] == query.Strict && end.After(by[item]) {
				rt.Fatalf("query %d admitted to end by %v ends at %v", item, by[item], end)
			}
		}
	})
}

func TestAdmitWhomItMakesLate(t *testing.T) {
	work := func(class query.Class, owner string, deadline float64) Work {
		return Work{Class: class, Owner: owner, DeadlineAt: after(deadline), P50MS: 100, P99MS: 120}
	}
	strict, relaxed := query.Strict, query.Relaxed
	for _, tc := range []struct {
		name  string
		held  []Work // admitted by their deadlines
		asks  Work
		ok    bool
		late  [2]int
		start float64
	}{
		{name: "an idle worker", asks: work(strict, "a", 120), ok: true},
		{name: "too slow for anyone", asks: work(strict, "a", 119)},
		{name: "behind another", held: []Work{work(strict, "a", 200)}, asks: work(strict, "a", 220), ok: true, start: 100},
		{name: "behind another, too late", held: []Work{work(strict, "a", 200)}, asks: work(strict, "a", 219), start: 100},
		{name: "before one that can wait", held: []Work{work(strict, "a", 220)}, asks: work(strict, "a", 200), ok: true},
		{name: "before one that cannot", held: []Work{work(strict, "a", 210)}, asks: work(strict, "a", 200), late: [2]int{1, 0}},
		{name: "strict pushes relaxed back", held: []Work{work(relaxed, "a", 220)}, asks: work(strict, "a", 500), ok: true},
		{name: "past its end, too", held: []Work{work(relaxed, "a", 219)}, asks: work(strict, "a", 500), ok: true, late: [2]int{0, 1}},
		{name: "relaxed pushes no relaxed past its end", held: []Work{work(relaxed, "a", 219)}, asks: work(relaxed, "a", 200), late: [2]int{0, 1}},
		{name: "relaxed waits for strict", held: []Work{work(strict, "a", 200)}, asks: work(relaxed, "a", 150), start: 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := NewQueue[int](1)
			for i, w := range tc.held {
				w.EndBy = w.DeadlineAt
				q.Add(w, i)
			}
			p, ok := q.Admit(t0, tc.asks, tc.asks.DeadlineAt, 99)
			if ok != tc.ok || p.StrictLate != tc.late[0] || p.RelaxedLate != tc.late[1] || !p.StartsAt.Equal(after(tc.start)) {
				t.Errorf("admitted %v: %+v, want %v, late %v, start after %v ms", ok, p, tc.ok, tc.late, tc.start)
			}
			if got := len(q.held); ok != (got > len(tc.held)) {
				t.Errorf("admitted %v, and %d held", ok, got)
			}
		})
	}
}

// What is late anyway is no reason to refuse, and a bound that was agreed on
// counts before the deadline.
func TestEndByIsWhatCounts(t *testing.T) {
	for _, tc := range []struct {
		name  string
		endBy float64
		ok    bool
	}{{"agreed, and met", 240, true}, {"agreed, and broken by it", 150, false}, {"already broken", 90, true}} {
		q := NewQueue[int](1)
		q.Add(Work{Class: query.Relaxed, DeadlineAt: after(9000), EndBy: after(tc.endBy), P50MS: 100, P99MS: 100}, 0)
		other := Work{Class: query.Relaxed, DeadlineAt: after(500), P50MS: 100, P99MS: 100}
		if p, ok := q.Admit(t0, other, after(500), 1); ok != tc.ok {
			t.Errorf("%s: admitted %v, %+v", tc.name, ok, p)
		}
	}
}

func TestAQueueWithoutRunnersAdmitsNothing(t *testing.T) {
	q := NewQueue[int](0)
	if p, ok := q.Admit(t0, strictWork(500, 1, 1), after(500), 1); ok || p.AtOnce {
		t.Errorf("admitted: %+v", p)
	}
	q.Add(strictWork(500, 1, 1), 1)
	if late := q.evictStrict(t0); len(late) != 1 {
		t.Errorf("evicted %v", late)
	}
}
