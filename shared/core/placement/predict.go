package placement

import (
	"fmt"
	"time"

	"paragon/shared/core/query"
)

// The bench predicts by playing its own order through: every runner comes free
// when what it runs should end, and the held queries start one after another
// on the first that is free. What lies ahead is expected to take its p50, as
// long sums go to the middle; the query itself must fit with its p99.

// endsAt predicts when a run ends: after its p50, once that has passed after
// its p99, and once that has passed at any moment.
func (r run) endsAt(now time.Time) time.Time {
	for _, ms := range []float64{r.p50MS, r.p99MS} {
		if end := r.startedAt.Add(query.Duration(ms)); end.After(now) {
			return end
		}
	}
	return now
}

// runway tells when each runner comes free.
type runway []time.Time

func (b *Bench[T]) runway(now time.Time) runway {
	w := make(runway, 0, b.runners)
	for _, r := range b.running {
		w = append(w, r.endsAt(now))
	}
	for len(w) < b.runners {
		w = append(w, now)
	}
	return w
}

// next returns the runner that comes free first.
func (w runway) next() int {
	first := 0
	for i := range w {
		if w[i].Before(w[first]) {
			first = i
		}
	}
	return first
}

// take starts ms of work on the runner that comes free first and returns when.
func (w runway) take(ms float64) time.Time {
	i := w.next()
	start := w[i]
	w[i] = start.Add(query.Duration(ms))
	return start
}

// Room returns how many more queries of a class, of at most largestMS
// milliseconds each, could start within lookAhead behind what is held before
// them, and when none could, after which time one can: relaxed queries wait
// behind everything, strict ones behind strict ones only.
func (b *Bench[T]) Room(class query.Class, now time.Time, lookAhead time.Duration, largestMS float64) (int, time.Duration) {
	if b.runners <= 0 {
		return 0, time.Hour
	}
	w := b.runway(now)
	for _, e := range b.held {
		if class == query.Relaxed || e.work.Class == query.Strict {
			w.take(e.work.P50MS)
		}
	}
	if wait := w[w.next()].Sub(now) - lookAhead; wait > 0 {
		return 0, wait
	}
	n := 0
	for _, free := range w {
		if spare := lookAhead - free.Sub(now); spare >= 0 {
			n += 1 + int(float64(spare)/float64(query.Duration(max(largestMS, 1))))
		}
	}
	return n, 0
}

// Late is a query that is handed over to the inference functions: a strict one
// that would start too late on this worker, or a relaxed one at its bound.
type Late[T any] struct {
	Item     T
	StartsIn time.Duration
	LateBy   time.Duration // after its deadline, at its p99; of a strict one
	AtBound  bool          // relaxed, and no runner started it in time
}

// Why tells it in words, for a trail.
func (l Late[T]) Why() string {
	if l.AtBound {
		return fmt.Sprintf("would start in %.0f ms, and only a function keeps its bound", query.Milliseconds(l.StartsIn))
	}
	return fmt.Sprintf("would start in %.0f ms, %.0f ms too late",
		query.Milliseconds(l.StartsIn), query.Milliseconds(l.LateBy))
}

// sift plays the held queries through in their order and removes those that go.
// It tells of each in how long it would start, and whether on a runner that is
// free now. Taking one away brings those behind it forward.
func (b *Bench[T]) sift(now time.Time, goes func(e entry[T], startsIn time.Duration, free bool) bool) {
	w, free := b.runway(now), b.runners-len(b.running)
	keep := b.held[:0]
	for _, e := range b.held {
		if goes(e, w[w.next()].Sub(now), len(keep) < free) {
			continue
		}
		w.take(e.work.P50MS)
		keep = append(keep, e)
	}
	clear(b.held[len(keep):])
	b.held = keep
}

// TakeLate removes and returns the strict queries that could not finish by
// their deadlines here and may be bounced. One that starts at once on a free
// runner stays, however late: nobody is faster.
func (b *Bench[T]) TakeLate(now time.Time) []Late[T] {
	var out []Late[T]
	b.sift(now, func(e entry[T], startsIn time.Duration, free bool) bool {
		over := now.Add(startsIn + query.Duration(e.work.P99MS)).Sub(e.work.DeadlineAt)
		goes := e.work.Class == query.Strict && over > 0 && !free && !e.work.Pinned
		if goes {
			out = append(out, Late[T]{Item: e.item, StartsIn: startsIn, LateBy: over})
		}
		return goes
	})
	return out
}

// TakeSurplus removes and returns the held queries that cannot start within
// lookAhead: another worker may. Those that TakeDue will take by dueBy stay, so
// that they are in hand then; the zero time keeps none.
func (b *Bench[T]) TakeSurplus(now time.Time, lookAhead time.Duration, dueBy time.Time) []T {
	var out []T
	b.sift(now, func(e entry[T], startsIn time.Duration, _ bool) bool {
		goes := startsIn > lookAhead && !e.work.dueBy(now, dueBy)
		if goes {
			out = append(out, e.item)
		}
		return goes
	})
	return out
}
