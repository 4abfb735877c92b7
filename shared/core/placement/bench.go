package placement

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

// Bench is a worker's runners and the queries that it holds for them, in the
// order in which they start: the earliest deadline first, strict ones before
// relaxed ones. T is what the holder knows of a query. A Bench is not safe for
// concurrent use.
type Bench[T any] struct {
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

// NewBench returns a bench of so many runners.
func NewBench[T any](runners int) *Bench[T] {
	return &Bench[T]{runners: runners, running: map[int]run{}}
}

// Add holds one more query.
func (b *Bench[T]) Add(w Work, item T) {
	at := len(b.held)
	for at > 0 && w.before(b.held[at-1].work) {
		at--
	}
	b.held = slices.Insert(b.held, at, entry[T]{w, item})
}

// Len returns how many queries of a class are held and not running.
func (b *Bench[T]) Len(class query.Class) int {
	n := 0
	for _, e := range b.held {
		if e.work.Class == class {
			n++
		}
	}
	return n
}

// Busy returns how many runners run.
func (b *Bench[T]) Busy() int { return len(b.running) }

// WorkMS returns the work of a class held and running, in milliseconds of one runner.
func (b *Bench[T]) WorkMS(class query.Class, now time.Time) float64 {
	ms := 0.0
	for _, e := range b.held {
		if e.work.Class == class {
			ms += e.work.P50MS
		}
	}
	for _, r := range b.running {
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
func (b *Bench[T]) Start(now time.Time, maxBatch int) (Run[T], bool) {
	if len(b.held) == 0 || len(b.running) >= b.runners {
		return Run[T]{}, false
	}
	first, n := b.held[0].work, b.batch(now, maxBatch)
	b.tickets++
	out := Run[T]{Ticket: b.tickets}
	for _, e := range b.held[:n] {
		out.Works, out.Items = append(out.Works, e.work), append(out.Items, e.item)
	}
	b.held = slices.Delete(b.held, 0, n)
	r := run{class: first.Class, startedAt: now, p50MS: first.P50MS, p99MS: first.P99MS}
	if n > 1 {
		r.p50MS = float64(n) * first.BatchEachMS
		r.p99MS = max(r.p50MS, first.P99MS)
	}
	b.running[b.tickets] = r
	return out, true
}

// batch returns how many of the first queries run as one. Only neighbours in
// the starting order join, so that nobody is passed over; every free runner
// gets its part; and a query joins only when all still meet their deadlines.
func (b *Bench[T]) batch(now time.Time, maxBatch int) int {
	first := b.held[0].work
	free := b.runners - len(b.running)
	most := min(maxBatch, first.BatchMax, (len(b.held)+free-1)/free)
	soonest, n := first.DeadlineAt, 1
	for n < most && b.held[n].work.Model == first.Model {
		if d := b.held[n].work.DeadlineAt; d.Before(soonest) {
			soonest = d
		}
		if now.Add(query.Duration(float64(n+1) * first.BatchEachMS)).After(soonest) {
			break
		}
		n++
	}
	return n
}

// Done frees the runner of a Run.
func (b *Bench[T]) Done(ticket int) { delete(b.running, ticket) }

// Take removes and returns the held queries that match, in starting order.
func (b *Bench[T]) Take(match func(T) bool) []T {
	var out []T
	b.held = slices.DeleteFunc(b.held, func(e entry[T]) bool {
		if !match(e.item) {
			return false
		}
		out = append(out, e.item)
		return true
	})
	return out
}
