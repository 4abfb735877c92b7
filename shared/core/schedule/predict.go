package schedule

import (
	"time"

	"paragon/shared/core/query"
)

// The queue predicts by playing its own order through: every runner comes free
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

func (q *Queue[T]) runway(now time.Time) runway {
	w := make(runway, 0, q.runners)
	for _, r := range q.running {
		w = append(w, r.endsAt(now))
	}
	for len(w) < q.runners {
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
func (q *Queue[T]) Room(class query.Class, now time.Time, lookAhead time.Duration, largestMS float64) (int, time.Duration) {
	if q.runners <= 0 {
		return 0, time.Hour
	}
	w := q.runway(now)
	for _, e := range q.held {
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
