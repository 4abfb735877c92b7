package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"

	"pgregory.net/rapid"
)

var t0 = time.Unix(1000, 0)

func after(ms float64) time.Time { return t0.Add(query.Duration(ms)) }

func strictWork(deadlineMS, p50, p99 float64) Work {
	return Work{Class: query.Strict, DeadlineAt: after(deadlineMS), P50MS: p50, P99MS: p99}
}

// drawWork is any query of one of three owners.
func drawWork(rt *rapid.T) Work { return drawWorkOf(rt, "ann", "bob", "cy") }

func drawWorkOf(rt *rapid.T, owners ...string) Work {
	p50 := rapid.Float64Range(0, 200).Draw(rt, "p50")
	return Work{
		Class:      rapid.SampledFrom([]query.Class{query.Strict, query.Relaxed}).Draw(rt, "class"),
		Owner:      rapid.SampledFrom(owners).Draw(rt, "owner"),
		Model:      rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "model"),
		DeadlineAt: after(rapid.Float64Range(-100, 1500).Draw(rt, "deadline")),
		Pinned:     rapid.Bool().Draw(rt, "pinned"),
		P50MS:      p50,
		P99MS:      p50 * 1.5,
	}
}

// drawQueue is a queue in use: some runners run, some queries wait.
func drawQueue(rt *rapid.T) (*Queue[int], map[int]Work) { return drawQueueOf(rt, "ann", "bob", "cy") }

func drawQueueOf(rt *rapid.T, owners ...string) (*Queue[int], map[int]Work) {
	q := NewQueue[int](rapid.IntRange(1, 4).Draw(rt, "runners"))
	works := map[int]Work{}
	for i := range rapid.IntRange(0, 4).Draw(rt, "running") {
		q.Add(drawWorkOf(rt, owners...), -1-i)
		q.Start(t0.Add(-query.Duration(rapid.Float64Range(0, 300).Draw(rt, "ago"))), 1)
	}
	q.Remove(func(int) bool { return true })
	for i := range rapid.IntRange(0, 12).Draw(rt, "held") {
		works[i] = drawWorkOf(rt, owners...)
		q.Add(works[i], i)
	}
	return q, works
}

// Strict before relaxed; for a single owner the earliest deadline first, equals
// as they came.
func TestStartOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q, works := NewQueue[int](1), map[int]Work{}
		for i := range rapid.IntRange(0, 12).Draw(rt, "held") {
			works[i] = drawWorkOf(rt, "ann")
			q.Add(works[i], i)
		}
		last := -1
		for {
			r, ok := q.Start(t0, 1)
			if !ok {
				break
			}
			q.Done(r.Ticket, t0)
			if last >= 0 && before(&entry[int]{work: works[r.Items[0]]}, 0, &entry[int]{work: works[last]}, 0) {
				rt.Fatalf("%+v started after %+v", works[r.Items[0]], works[last])
			}
			last = r.Items[0]
			delete(works, last)
			works[last] = r.Works[0]
		}
		if q.Len(query.Strict)+q.Len(query.Relaxed) != 0 {
			rt.Fatal("something never started")
		}
	})
}

// play runs what is left on a queue, everything taking its p50, and returns
// when each query starts.
func play(q *Queue[int]) map[int]time.Time {
	out := map[int]time.Time{}
	starts(q, func(e *entry[int], s span) { out[e.item] = t0.Add(s.start) })
	return out
}

// After EvictSurplus nothing is held that would start beyond the look-ahead, and
// what was taken would have.
func TestNeverHoldsBeyondTheLookAhead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q, works := drawQueue(rt)
		ahead := query.Duration(rapid.Float64Range(0, 300).Draw(rt, "ahead"))
		taken := q.EvictSurplus(t0, ahead, time.Time{})
		starts := play(q)
		for item, at := range starts {
			if at.Sub(t0) > ahead {
				rt.Fatalf("query %d starts in %v, beyond %v", item, at.Sub(t0), ahead)
			}
		}
		if len(taken)+len(starts) != len(works) {
			rt.Fatalf("%d taken and %d kept of %d", len(taken), len(starts), len(works))
		}
		if len(taken) > 0 && len(q.running)+len(starts) < q.runners {
			rt.Fatal("gave a query back with a runner free")
		}
	})
}

// What fits into the room starts within the look-ahead, while it starts behind
// what is held.
func TestRoomKeepsTheLookAhead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q, works := drawQueueOf(rt, "")
		ahead := query.Duration(rapid.Float64Range(0, 300).Draw(rt, "ahead"))
		q.EvictSurplus(t0, ahead, time.Time{})
		const largest = 200.0
		n, wait := q.Room(query.Relaxed, t0, ahead, largest)
		if (n == 0) != (wait > 0) {
			rt.Fatalf("room for %d, wait %v", n, wait)
		}
		for i := range n {
			works[1000+i] = Work{Class: query.Relaxed, DeadlineAt: after(1e6), P50MS: largest}
			q.Add(works[1000+i], 1000+i)
		}
		if over := q.EvictSurplus(t0, ahead, time.Time{}); len(over) > 0 {
			rt.Fatalf("room for %d, but %v cannot start in time", n, over)
		}
	})
}

// evictStrict never takes a query that would be in time, one that may not be
// bounced, or one that could start at once; and leaves none that is late.
func TestBouncesExactlyWhatIsLate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q, works := drawQueue(rt)
		free := q.runners - len(q.running)
		few := map[int]bool{}
		for _, e := range q.held {
			few[e.item] = e.few
		}
		late := q.evictStrict(t0)
		starts := play(q)
		for _, l := range late {
			w := works[l.Item]
			if w.Class != query.Strict || w.Pinned || l.LateBy <= 0 || l.StartsIn == 0 && len(starts) < free {
				rt.Fatalf("bounced %+v: %s", w, l.Why())
			}
			longest := w.P99MS
			if l.StartsIn == 0 { // on an express run, which has a part of the cores
				longest *= float64(MostRuns(q.runners)) / float64(q.runners)
			}
			end := t0.Add(l.StartsIn).Sub(w.DeadlineAt)
			least, most := end+query.Duration(w.P99MS), end+query.Duration(longest)
			if l.LateBy < least || l.LateBy > most {
				rt.Fatalf("late by %v, not by %v to %v", l.LateBy, least, most)
			}
			// Put back as it was, it would really be late. An owner's backlog at its arrival
			// stays what it was, although the backlog may be gone now.
			q.Add(w, l.Item)
			for _, e := range q.held {
				if e.item == l.Item {
					e.few = few[l.Item]
				}
			}
			again := ends(q)[l.Item]
			q.Remove(func(i int) bool { return i == l.Item })
			if !again.After(w.DeadlineAt) {
				rt.Fatalf("bounced %+v, which would be done at %v", w, again)
			}
		}
		if again := q.evictStrict(t0); len(again) > 0 {
			rt.Fatalf("left %v", again)
		}
	})
}

// evictRelaxed takes the relaxed queries between their last moments that no free
// runner starts at once, and nothing else; what is nearly due is no surplus.
func TestHandsOverExactlyWhatIsDue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q, works := drawQueue(rt)
		for i := range q.held {
			w := &q.held[i].work
			if w.Class == query.Relaxed && rapid.Bool().Draw(rt, "on a function") {
				w.OverflowAt = after(rapid.Float64Range(-500, 500).Draw(rt, "at"))
				w.OverflowBy = w.OverflowAt.Add(query.Duration(rapid.Float64Range(0, 400).Draw(rt, "window")))
			}
			works[q.held[i].item] = *w
		}
		free := q.runners - len(q.running)
		ahead, soon := query.Duration(100), t0.Add(query.Duration(200))
		due := func(w Work, then time.Time) bool {
			return !w.OverflowAt.IsZero() && !w.Pinned && !w.OverflowAt.After(then) && !t0.After(w.OverflowBy)
		}
		for _, l := range q.evictRelaxed(t0) {
			if !due(works[l.Item], t0) || !l.AtBound {
				rt.Fatalf("handed over %+v: %s", works[l.Item], l.Why())
			}
			delete(works, l.Item)
		}
		starts(q, func(e *entry[int], s span) {
			if (s.start > 0 || free <= 0) && due(e.work, t0) {
				rt.Fatalf("kept %+v, which starts in %v", e.work, s.start)
			}
			if s.start == 0 {
				free--
			}
		})
		for _, item := range q.EvictSurplus(t0, ahead, soon) {
			if due(works[item], soon) {
				rt.Fatalf("gave back %+v, which is nearly due", works[item])
			}
			delete(works, item)
		}
		if len(works) != len(q.held) {
			rt.Fatalf("%d held, of %d", len(q.held), len(works))
		}
	})
}

func TestLateInWords(t *testing.T) {
	q := NewQueue[string](1)
	q.Add(strictWork(5000, 900, 900), "runs")
	q.Start(t0, 1)
	q.Add(strictWork(600, 100, 100), "late")
	late := q.evictStrict(t0)
	if len(late) != 1 || late[0].Why() != "would start in 900 ms, 400 ms too late" {
		t.Errorf("got %+v", late)
	}
	if why := (Late[string]{StartsIn: time.Second, AtBound: true}).Why(); why != "would start in 1000 ms, and only a function keeps its bound" {
		t.Error(why)
	}
}

// A run that takes longer than its median is expected to end after its p99,
// and then at any moment.
func TestOverdueRuns(t *testing.T) {
	q := NewQueue[int](1)
	q.Add(strictWork(5000, 100, 300), 0)
	q.Start(t0, 1)
	for _, tc := range []struct{ now, work float64 }{{0, 100}, {40, 60}, {100, 200}, {250, 50}, {400, 0}} {
		if got := q.WorkMS(query.Strict, after(tc.now)); got != tc.work {
			t.Errorf("after %v ms: %v ms of work left, want %v", tc.now, got, tc.work)
		}
	}
}

// A runner whose run is overdue may come free at any moment, and takes no part
// of a batch before.
func TestAnOverdueRunnerIsNotFree(t *testing.T) {
	q := NewQueue[int](2)
	q.Add(strictWork(5000, 10, 20), 0)
	q.Start(t0.Add(-time.Second), 1)
	for i := range 4 {
		q.Add(Work{Class: query.Strict, Model: "a", DeadlineAt: after(900), P50MS: 10, P99MS: 12, BatchMax: 4, BatchEachMS: 5}, i)
	}
	if r, _ := q.Start(t0, 8); len(r.Items) != 4 {
		t.Errorf("the only free runner starts %d of 4", len(r.Items))
	}
}

func TestStrictHasRoomBeforeRelaxed(t *testing.T) {
	q := NewQueue[int](1)
	q.Add(Work{Class: query.Relaxed, DeadlineAt: after(9000), P50MS: 100}, 0)
	if n, _ := q.Room(query.Relaxed, t0, 50*time.Millisecond, 100); n != 0 {
		t.Errorf("room for %d relaxed behind 100 ms", n)
	}
	if n, _ := q.Room(query.Strict, t0, 50*time.Millisecond, 100); n != 1 {
		t.Errorf("room for %d strict, want 1", n)
	}
}

func TestBatchJoinsNeighboursInTime(t *testing.T) {
	pays := func(model string, deadline float64) Work {
		return Work{Class: query.Strict, Model: model, DeadlineAt: after(deadline), P50MS: 10, P99MS: 12, BatchMax: 4, BatchEachMS: 5}
	}
	for _, tc := range []struct {
		name    string
		runners int
		most    int
		works   []Work
		want    int
	}{
		{"four of six", 1, 8, []Work{pays("a", 90), pays("a", 91), pays("a", 92), pays("a", 93), pays("a", 94), pays("a", 95)}, 4},
		{"bounded by the setting", 1, 2, []Work{pays("a", 90), pays("a", 91), pays("a", 92)}, 2},
		{"not past another model", 1, 8, []Work{pays("a", 90), pays("b", 91), pays("a", 92)}, 1},
		{"not past a deadline", 1, 8, []Work{pays("a", 12), pays("a", 90), pays("a", 92)}, 2},
		{"free runners share", 2, 8, []Work{pays("a", 90), pays("a", 91), pays("a", 92), pays("a", 93)}, 2},
		{"off", 1, 1, []Work{pays("a", 90), pays("a", 91)}, 1},
		{"does not pay", 1, 8, []Work{strictWork(90, 1, 1), strictWork(91, 1, 1)}, 1},
	} {
		q := NewQueue[int](tc.runners)
		for i, w := range tc.works {
			q.Add(w, i)
		}
		if r, ok := q.Start(t0, tc.most); !ok || len(r.Items) != tc.want {
			t.Errorf("%s: started %v, want %d", tc.name, r.Items, tc.want)
		}
	}
}

func BenchmarkQueue(b *testing.B) {
	for _, owners := range []int{1, 8} {
		for _, held := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("owners=%d/held=%d", owners, held), func(b *testing.B) {
				q := NewQueue[int](2)
				work := func(i int) Work {
					w := strictWork(float64(1e6+i), 5, 7)
					w.Owner = []string{"a", "b", "c", "d", "e", "f", "g", "h"}[i%owners]
					return w
				}
				for i := range held - 1 {
					q.Add(work(i), i)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, ok := q.Admit(t0, work(i%100), after(1e6), i); !ok {
						b.Fatal("not admitted")
					}
					r, _ := q.Start(t0, 8)
					q.Done(r.Ticket, after(5))
				}
			})
		}
	}
}

func BenchmarkEvict(b *testing.B) {
	q := NewQueue[int](2)
	for i := range 256 {
		q.Add(strictWork(float64(1e6+i), 5, 7), i)
	}
	b.ReportAllocs()
	for b.Loop() {
		q.Room(query.Strict, t0, 50*time.Millisecond, 5)
		q.evictStrict(t0)
	}
}

// What overflows leaves by class: strict queries that would be late, and relaxed ones at
// their moment, in this order.
func TestEvictOverflowGoesByClass(t *testing.T) {
	for _, tc := range []struct {
		strict, relaxed bool
		want            []string
	}{
		{false, false, nil},
		{true, false, []string{"strict"}},
		{false, true, []string{"relaxed"}},
		{true, true, []string{"strict", "relaxed"}},
	} {
		q := NewQueue[string](1)
		q.Add(strictWork(5000, 900, 900), "runs")
		q.Start(t0, 1)
		q.Add(strictWork(600, 100, 100), "strict")
		q.Add(Work{Class: query.Relaxed, DeadlineAt: after(5000), P50MS: 100, P99MS: 100, OverflowAt: t0, OverflowBy: after(500)}, "relaxed")
		var got []string
		for _, l := range q.EvictOverflow(t0, tc.strict, tc.relaxed) {
			got = append(got, l.Item)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("strict %v, relaxed %v: %v leave", tc.strict, tc.relaxed, got)
		}
	}
}
