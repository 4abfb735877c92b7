package schedule

import (
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Late is a query that is handed over to the inference functions: a strict one
// that would start too late on this worker, or a relaxed one at its bound.
type Late[T any] struct {
	Item     T
	StartsIn time.Duration
	LateBy   time.Duration // after its deadline, at its p99; of a strict one
	AtBound  bool          // relaxed, and no runner started it in time
}

// Why gives the reason in words, for a trail.
func (l Late[T]) Why() string {
	if l.AtBound {
		return fmt.Sprintf("would start in %.0f ms, and only a function keeps its bound", query.Milliseconds(l.StartsIn))
	}
	return fmt.Sprintf("would start in %.0f ms, %.0f ms too late",
		query.Milliseconds(l.StartsIn), query.Milliseconds(l.LateBy))
}

// evict plays the held queries through in their order and removes those that
// go, asked with where each would start, and whether on a runner that is free
// now. Taking one away brings those behind it forward. It ends at the first one
// that is not strict if it is about strict ones only: they come first.
func (q *Queue[T]) evict(now time.Time, strictOnly bool, goes func(e *entry[T], s *slot, free bool) bool) {
	p, free := q.play(now), q.runners-len(q.running) // less those that start before
	for i := 0; i < len(q.held); {
		e := q.held[i]
		if strictOnly && e.work.Class != query.Strict {
			return
		}
		s := q.fit(p, e, len(q.held)-i)
		if goes(e, s, s.start == 0 && free > 0) {
			q.pull(i)
			continue
		}
		if s.start == 0 {
			free--
		}
		p.take()
		i++
	}
}

// EvictOverflow removes and returns what leaves this worker for the inference functions
// now, of the classes that may overflow: strict queries that would be late here, and
// then relaxed ones that must not wait longer.
func (q *Queue[T]) EvictOverflow(now time.Time, strict, relaxed bool) []Late[T] {
	var out []Late[T]
	if strict {
		out = q.evictStrict(now)
	}
	if relaxed {
		out = append(out, q.evictRelaxed(now)...)
	}
	return out
}

// evictStrict removes and returns the strict queries that could not finish by
// their deadlines here and may be handed over. One that starts at once on a free
// runner stays, however late: nobody is faster.
func (q *Queue[T]) evictStrict(now time.Time) []Late[T] {
	if len(q.held) == 0 || q.held[0].work.Class != query.Strict {
		return nil
	}
	var out []Late[T]
	q.evict(now, true, func(e *entry[T], s *slot, free bool) bool {
		goes := s.latest > e.work.DeadlineAt.Sub(now) && !free && !e.work.Pinned
		if goes {
			out = append(out, Late[T]{Item: e.item, StartsIn: s.start, LateBy: now.Add(s.latest).Sub(e.work.DeadlineAt)})
		}
		return goes
	})
	return out
}

// evictRelaxed removes and returns the relaxed queries that are due (RelaxedDue). Those
// that can start at once on a free runner stay.
func (q *Queue[T]) evictRelaxed(now time.Time) []Late[T] {
	if !slices.ContainsFunc(q.held, func(e *entry[T]) bool { return e.work.RelaxedDue(now) }) {
		return nil
	}
	var out []Late[T]
	q.evict(now, false, func(e *entry[T], s *slot, free bool) bool {
		goes := !free && e.work.RelaxedDue(now)
		if goes {
			out = append(out, Late[T]{Item: e.item, StartsIn: s.start, AtBound: true})
		}
		return goes
	})
	return out
}

// EvictSurplus removes and returns the held queries that cannot start within
// lookAhead: another worker may. Those that EvictOverflow will take by dueBy stay, so
// that they are in hand then; the zero time keeps none. What was admitted stays.
func (q *Queue[T]) EvictSurplus(now time.Time, lookAhead time.Duration, dueBy time.Time) []T {
	if !slices.ContainsFunc(q.held, func(e *entry[T]) bool { return e.work.EndBy.IsZero() }) {
		return nil
	}
	var out []T
	q.evict(now, false, func(e *entry[T], s *slot, _ bool) bool {
		goes := s.start > lookAhead && e.work.EndBy.IsZero() && !e.work.relaxedDueBy(now, dueBy)
		if goes {
			out = append(out, e.item)
		}
		return goes
	})
	return out
}

// RelaxedDue reports whether a relaxed query must be handed over now: its OverflowAt has
// come, and its OverflowBy has not passed.
func (w *Work) RelaxedDue(now time.Time) bool { return w.relaxedDueBy(now, now) }

// relaxedDueBy reports whether it will be due by then, and is not too late now.
func (w *Work) relaxedDueBy(now, then time.Time) bool {
	return !w.Pinned && !w.OverflowAt.IsZero() && !w.OverflowAt.After(then) && !now.After(w.OverflowBy)
}
