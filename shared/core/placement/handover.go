package placement

import "time"

// LastMoment is the latest moment at which an inference function that takes so
// long still keeps a deadline; with cold, one that must be started first. A
// relaxed query that may overflow waits for a runner until then and no longer.
// All are in one unit, counted from one moment: microseconds in the simulator,
// milliseconds since acceptance in production.
func LastMoment[T ~int64 | ~float64](deadline, takes, coldAdds T, cold bool) T {
	if cold {
		return deadline - takes - coldAdds
	}
	return deadline - takes
}

// due tells whether a relaxed query must be handed over now: a function that
// has to be started first would soon be too late, and a warm one is not yet.
func (w Work) due(now time.Time) bool { return w.dueBy(now, now) }

// dueBy tells whether it will be due by then, and is not too late now.
func (w Work) dueBy(now, then time.Time) bool {
	return !w.Pinned && !w.HandOverAt.IsZero() && !w.HandOverAt.After(then) && !now.After(w.HandOverBy)
}

// TakeDue removes and returns the relaxed queries that no runner has started by
// the last moment at which a function keeps their bound. Those that can start
// at once on a free runner stay.
func (b *Bench[T]) TakeDue(now time.Time) []Late[T] {
	var out []Late[T]
	b.sift(now, func(e entry[T], startsIn time.Duration, free bool) bool {
		goes := !free && e.work.due(now)
		if goes {
			out = append(out, Late[T]{Item: e.item, StartsIn: startsIn, AtBound: true})
		}
		return goes
	})
	return out
}
