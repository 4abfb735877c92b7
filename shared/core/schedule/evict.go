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

// EvictLate removes and returns the strict queries that could not finish by
// their deadlines here and may be handed over. One that starts at once on a free
// runner stays, however late: nobody is faster.
func (q *Queue[T]) EvictLate(now time.Time) []Late[T] {
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

// EvictSurplus removes and returns the held queries that cannot start within
// lookAhead: another worker may. Those that EvictDue will take by dueBy stay, so
// that they are in hand then; the zero time keeps none. What was admitted stays.
func (q *Queue[T]) EvictSurplus(now time.Time, lookAhead time.Duration, dueBy time.Time) []T {
	if !slices.ContainsFunc(q.held, func(e *entry[T]) bool { return e.work.EndBy.IsZero() }) {
		return nil
	}
	var out []T
	q.evict(now, false, func(e *entry[T], s *slot, _ bool) bool {
		goes := s.start > lookAhead && e.work.EndBy.IsZero() && !e.work.dueBy(now, dueBy)
		if goes {
			out = append(out, e.item)
		}
		return goes
	})
	return out
}

// due reports whether a relaxed query must be handed over now: a function that
// has to be started first would soon be too late, and a warm one is not yet.
func (w *Work) due(now time.Time) bool { return w.dueBy(now, now) }

// dueBy reports whether it will be due by then, and is not too late now.
func (w *Work) dueBy(now, then time.Time) bool {
	return !w.Pinned && !w.HandOverAt.IsZero() && !w.HandOverAt.After(then) && !now.After(w.HandOverBy)
}

// EvictDue removes and returns the relaxed queries that no runner has started by
// the last moment at which a function keeps their bound. Those that can start
// at once on a free runner stay.
func (q *Queue[T]) EvictDue(now time.Time) []Late[T] {
	if !slices.ContainsFunc(q.held, func(e *entry[T]) bool { return e.work.due(now) }) {
		return nil
	}
	var out []Late[T]
	q.evict(now, false, func(e *entry[T], s *slot, free bool) bool {
		goes := !free && e.work.due(now)
		if goes {
			out = append(out, Late[T]{Item: e.item, StartsIn: s.start, AtBound: true})
		}
		return goes
	})
	return out
}
