// Package schedule is the run queue of one worker: which query starts next, on
// which runner, in which batch, and which should go elsewhere. It is pure: the
// time is passed in. Serving and the simulator use the same queue.
package schedule

import (
	"slices"
	"time"

	"paragon/shared/core/query"
)

// Work is what scheduling needs to know of a query that a worker holds.
type Work struct {
	Class      query.Class
	Model      string
	DeadlineAt time.Time
	Pinned     bool    // may not be bounced
	P50MS      float64 // service time: what it takes others
	P99MS      float64 // service time: what it may take itself
	// BatchMax and BatchEachMS tell when batching pays: at most so many queries
	// of the model in one inference, and what each then takes. 0 means never.
	BatchMax    int
	BatchEachMS float64
	// HandOverAt and HandOverBy are the last moments at which an inference
	// function keeps a relaxed query's bound: one that must be started first, and
	// a warm one. Zero of a query that no function may answer.
	HandOverAt, HandOverBy time.Time
}

// before is the order in which queries start: strict ones first, then by
// deadline.
func (w Work) before(o Work) bool {
	if strict := w.Class == query.Strict; strict != (o.Class == query.Strict) {
		return strict
	}
	return w.DeadlineAt.Before(o.DeadlineAt)
}

// Queue is a worker's runners and the queries that it holds for them, in the
// order in which they start: the earliest deadline first, strict ones before
// relaxed ones. T is what the holder knows of a query. A Queue is not safe for
// concurrent use.
type Queue[T any] struct {
	runners int
	held    []entry[T] // in starting order, equals in order of arrival
	running map[int]run
	tickets int
}

type entry[T any] struct {
	work Work
	item T
}

type run struct {
	class        query.Class
	startedAt    time.Time
	p50MS, p99MS float64
}

// NewQueue returns a queue of so many runners.
func NewQueue[T any](runners int) *Queue[T] {
	return &Queue[T]{runners: runners, running: map[int]run{}}
}

// Add holds one more query.
func (q *Queue[T]) Add(w Work, item T) {
	at := len(q.held)
	for at > 0 && w.before(q.held[at-1].work) {
		at--
	}
	q.held = slices.Insert(q.held, at, entry[T]{w, item})
}

// Len returns how many queries of a class are held and not running.
func (q *Queue[T]) Len(class query.Class) int {
	n := 0
	for _, e := range q.held {
		if e.work.Class == class {
			n++
		}
	}
	return n
}

// Busy returns how many runners run.
func (q *Queue[T]) Busy() int { return len(q.running) }

// WorkMS returns the work of a class held and running, in milliseconds of one runner.
func (q *Queue[T]) WorkMS(class query.Class, now time.Time) float64 {
	ms := 0.0
	for _, e := range q.held {
		if e.work.Class == class {
			ms += e.work.P50MS
		}
	}
	for _, r := range q.running {
		if r.class == class {
			ms += query.Milliseconds(r.endsAt(now).Sub(now))
		}
	}
	return ms
}

// Run is what one runner starts: one query, or a batch of one model.
type Run[T any] struct {
	Ticket int // for Done
	Works  []Work
	Items  []T
}

// Start takes the first query, with those behind it that join its batch, and
// counts a runner as busy until Done. It is false when no query is held or no
// runner is free. maxBatch bounds a batch; 1 or less means no batching.
func (q *Queue[T]) Start(now time.Time, maxBatch int) (Run[T], bool) {
	if len(q.held) == 0 || len(q.running) >= q.runners {
		return Run[T]{}, false
	}
	first, n := q.held[0].work, q.batch(now, maxBatch)
	q.tickets++
	out := Run[T]{Ticket: q.tickets}
	for _, e := range q.held[:n] {
		out.Works, out.Items = append(out.Works, e.work), append(out.Items, e.item)
	}
	q.held = slices.Delete(q.held, 0, n)
	r := run{class: first.Class, startedAt: now, p50MS: first.P50MS, p99MS: first.P99MS}
	if n > 1 {
		r.p50MS = float64(n) * first.BatchEachMS
		r.p99MS = max(r.p50MS, first.P99MS)
	}
	q.running[q.tickets] = r
	return out, true
}

// batch returns how many of the first queries run as one. Only neighbours in
// the starting order join, so that nobody is passed over; every free runner
// gets its part; and a query joins only when all still meet their deadlines.
func (q *Queue[T]) batch(now time.Time, maxBatch int) int {
	first := q.held[0].work
	free := q.runners - len(q.running)
	most := min(maxBatch, first.BatchMax, (len(q.held)+free-1)/free)
	soonest, n := first.DeadlineAt, 1
	for n < most && q.held[n].work.Model == first.Model {
		if d := q.held[n].work.DeadlineAt; d.Before(soonest) {
			soonest = d
		}
		if now.Add(query.Duration(float64(n+1) * first.BatchEachMS)).After(soonest) {
			break
		}
		n++
	}
	return n
}

// Done frees the runner of a Run that ended now, and returns how long it ran;
// 0 for a ticket that does not run.
func (q *Queue[T]) Done(ticket int, now time.Time) time.Duration {
	r, ok := q.running[ticket]
	if !ok {
		return 0
	}
	delete(q.running, ticket)
	return now.Sub(r.startedAt)
}

// Remove removes and returns the held queries that match, in starting order.
func (q *Queue[T]) Remove(match func(T) bool) []T {
	var out []T
	q.held = slices.DeleteFunc(q.held, func(e entry[T]) bool {
		if !match(e.item) {
			return false
		}
		out = append(out, e.item)
		return true
	})
	return out
}
