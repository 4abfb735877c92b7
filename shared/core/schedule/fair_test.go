package schedule

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"

	"pgregory.net/rapid"
)

const longestMS = 10.0

// shared is a worker with a greedy owner, who always has queries waiting with
// the earliest deadlines, and a modest one, who sends at the given times.
type shared struct {
	q      *Queue[int]
	greedy func() float64 // service time of the next query; nil without that owner
	crowd  int            // how many wait
	most   int            // how many it sends in all; 0 is no bound
	from   float64        // when it begins, in ms
	sent   int
}

// waits plays it and returns how long each query of the modest owner waits.
func (s *shared) waits(at, serviceMS []float64) []time.Duration {
	out := make([]time.Duration, len(at))
	type running struct {
		end    time.Time
		ticket int
	}
	var busy []running
	now, sent, started := t0, 0, 0
	for started < len(at) {
		for sent < len(at) && !after(at[sent]).After(now) {
			s.q.Add(Work{Class: query.Strict, Owner: "modest", DeadlineAt: after(1e6 + at[sent]), P50MS: serviceMS[sent]}, sent)
			sent++
		}
		for s.greedy != nil && len(s.q.held) < s.crowd && (s.most == 0 || s.sent < s.most) && !now.Before(after(s.from)) {
			s.sent++
			s.q.Add(Work{Class: query.Strict, Owner: "greedy", DeadlineAt: now.Add(time.Second), P50MS: s.greedy()}, -1)
		}
		if r, ok := s.q.Start(now, 1); ok {
			busy = append(busy, running{now.Add(query.Duration(r.Works[0].P50MS)), r.Ticket})
			if i := r.Items[0]; i >= 0 {
				out[i] = now.Sub(after(at[i]))
				started++
			}
			continue
		}
		next := time.Time{}
		if sent < len(at) {
			next = after(at[sent])
		}
		slices.SortFunc(busy, func(a, b running) int { return a.end.Compare(b.end) })
		if len(busy) > 0 && (next.IsZero() || !busy[0].end.After(next)) {
			now = busy[0].end
			s.q.Done(busy[0].ticket, now)
			busy = busy[1:]
			continue
		}
		now = next
	}
	return out
}

// One owner always has 20 queries waiting, all with earlier deadlines. Another,
// who keeps to its share, waits at most one service time longer than alone.
func TestAGreedyOwnerCostsOthersOneServiceTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		runners := rapid.IntRange(1, 4).Draw(rt, "runners")
		service := rapid.Float64Range(1, longestMS)
		var at, ms []float64
		now := 0.0
		for range rapid.IntRange(1, 30).Draw(rt, "queries") {
			now += rapid.Float64Range(4*longestMS, 8*longestMS).Draw(rt, "gap")
			at, ms = append(at, now), append(ms, service.Draw(rt, "service"))
		}
		i := 0
		crowd := rapid.SliceOfN(service, 17, 17).Draw(rt, "greedy")
		greedy := func() float64 { i++; return crowd[i%len(crowd)] }
		alone := (&shared{q: NewQueue[int](runners)}).waits(at, ms)
		crowded := (&shared{q: NewQueue[int](runners), greedy: greedy, crowd: 20}).waits(at, ms)
		for i := range at {
			if extra := crowded[i] - alone[i]; extra > query.Duration(longestMS)+time.Microsecond {
				rt.Fatalf("query %d waits %v, alone %v", i, crowded[i], alone[i])
			}
		}
	})
}

// Owners that all have queries waiting get the same runner time, to within one
// query of each, whatever their deadlines.
func TestBackloggedOwnersShareEqually(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q := NewQueue[string](1)
		owners := []string{"ann", "bob", "cy"}[:rapid.IntRange(2, 3).Draw(rt, "owners")]
		for _, o := range owners {
			for range 30 {
				q.Add(Work{Class: query.Relaxed, Owner: o, DeadlineAt: after(rapid.Float64Range(0, 1000).Draw(rt, "deadline")), P50MS: rapid.Float64Range(1, longestMS).Draw(rt, "service")}, o)
			}
		}
		had, now := map[string]float64{}, t0
		for range 30 {
			r, _ := q.Start(now, 1)
			had[r.Items[0]] += r.Works[0].P50MS
			now = now.Add(query.Duration(r.Works[0].P50MS))
			q.Done(r.Ticket, now)
			least, most := math.Inf(1), 0.0
			for _, o := range owners {
				least, most = min(least, had[o]), max(most, had[o])
			}
			if most-least > 2*longestMS {
				rt.Fatalf("runner time so far: %v", had)
			}
		}
	})
}

// Who had no runner for long claims nothing for it, who comes to an idle worker
// owes nothing, and a query that leaves unrun is not paid for.
func TestWhoIsOwedWhat(t *testing.T) {
	type ask struct {
		owner    string
		deadline float64
	}
	play := func(q *Queue[string], n int) string {
		order := ""
		for range n {
			r, _ := q.Start(t0, 1)
			order += r.Items[0]
			q.Done(r.Ticket, after(10))
		}
		return order
	}
	add := func(q *Queue[string], asks ...ask) {
		for _, a := range asks {
			q.Add(Work{Class: query.Strict, Owner: a.owner, DeadlineAt: after(a.deadline), P50MS: 10}, a.owner)
		}
	}
	for _, tc := range []struct {
		name   string
		before func(q *Queue[string])
		asks   []ask
		order  string
	}{
		{"at an idle worker by deadline", func(q *Queue[string]) { add(q, ask{"a", 1}, ask{"a", 2}); play(q, 2) },
			[]ask{{"a", 1}, {"b", 2}, {"c", 3}}, "abc"},
		{"in turn", func(*Queue[string]) {}, []ask{{"a", 1}, {"a", 2}, {"a", 3}, {"b", 7}, {"b", 8}}, "ababa"},
		{"no credit for the past", func(q *Queue[string]) {
			add(q, ask{"a", 1}, ask{"a", 2}, ask{"a", 3}, ask{"a", 4}, ask{"a", 5})
			play(q, 3)
		}, []ask{{"b", 6}, {"b", 7}, {"b", 8}}, "babab"},
		{"not paid for unless run", func(q *Queue[string]) {
			add(q, ask{"a", 1}, ask{"a", 2}, ask{"a", 3}, ask{"x", 0})
			q.Remove(func(o string) bool { return o == "a" })
		}, []ask{{"a", 4}, {"b", 5}}, "xab"},
	} {
		q := NewQueue[string](1)
		tc.before(q)
		add(q, tc.asks...)
		if got := play(q, len(tc.order)); got != tc.order {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.order)
		}
	}
}

// Owners that come and go are forgotten.
func TestOwnersAreForgotten(t *testing.T) {
	q := NewQueue[int](1)
	for i := range 10_000 {
		q.Add(Work{Class: query.Strict, Owner: fmt.Sprint(i), DeadlineAt: after(float64(i)), P50MS: 1}, i)
		r, _ := q.Start(t0, 1)
		if i%3 > 0 {
			q.Add(Work{Class: query.Strict, Owner: "always", DeadlineAt: after(float64(i)), P50MS: 1}, i)
		}
		q.Done(r.Ticket, t0)
		if len(q.held) > 20 {
			q.Remove(func(int) bool { return true })
		}
	}
	if n := len(q.fair.flows); n > 200 {
		t.Errorf("%d flows are kept", n)
	}
}

// What owners used is forgotten once they have sent nothing for a while.
func TestWhatOwnersUsedIsForgotten(t *testing.T) {
	q, seconds := NewQueue[int](1), int(companyFor/time.Second)
	for i := range 10 * seconds {
		now := t0.Add(time.Duration(i) * time.Second)
		q.Add(Work{Class: query.Strict, Owner: fmt.Sprint(i), DeadlineAt: now, P50MS: 1}, i)
		r, _ := q.Start(now, 1)
		q.Done(r.Ticket, now)
		if n := len(q.uses.of); n > 2*seconds+1 {
			t.Fatalf("%d owners are kept after %d s", n, i)
		}
	}
}

// Whatever is added, started and removed, the order is by the rules, and each
// owner's own queries are in the order of their deadlines.
func TestOrderHoldsUnderAnyUse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q := NewQueue[int](2)
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0:
				if r, ok := q.Start(t0, 1); ok {
					q.Done(r.Ticket, t0.Add(time.Millisecond))
				}
			case 1:
				gone := rapid.IntRange(0, i).Draw(rt, "gone")
				q.Remove(func(item int) bool { return item%7 == gone%7 })
			default:
				q.Add(drawWork(rt), i)
			}
			checkOrder(rt, q)
		}
	})
}

func checkOrder(rt *rapid.T, q *Queue[int]) {
	last := map[*flow]*entry[int]{}
	for i, e := range q.held {
		if i > 0 && before(e, e.tag, q.held[i-1], q.held[i-1].tag) {
			rt.Fatalf("place %d is out of order", i)
		}
		own, first := last[e.flow], e.flow.start
		if own != nil {
			first = own.tag + own.costMS
		}
		if math.Abs(e.tag-first) > 1e-6 || own != nil && e.work.DeadlineAt.Before(own.work.DeadlineAt) {
			rt.Fatalf("place %d has the tag %v, after one of its owner that ends at %v", i, e.tag, first)
		}
		last[e.flow] = e
	}
	for f, e := range last {
		if math.Abs(f.next-e.tag-e.costMS) > 1e-6 {
			rt.Fatalf("an owner's next tag is %v, its last query ends at %v", f.next, e.tag+e.costMS)
		}
	}
}
