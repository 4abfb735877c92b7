package schedule

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Prediction is what would become of a query if it were added.
type Prediction struct {
	StartsAt time.Time
	EndsAt   time.Time // if it takes its p50: what a caller gets
	LatestAt time.Time // if it takes its p99: what admission goes by
	// AtOnce reports that a free runner would start it now. However late it ends:
	// no other worker is faster.
	AtOnce bool
	// StrictLate and RelaxedLate are how many held queries would end after their
	// EndBy, or without one after their deadline, and would not without this one.
	StrictLate, RelaxedLate int
}

// Fits reports whether a query of a class ends in time and lets others do so: a
// relaxed one all, and a strict one the other strict ones. Money is spent on a
// function only where no worker can keep a strict bound, and a relaxed query can
// wait for another worker.
func (p Prediction) Fits(class query.Class, by time.Time) bool {
	return p.StrictLate == 0 && (class == query.Strict || p.RelaxedLate == 0) && !p.LatestAt.After(by)
}

// Predict returns when a query of that work would start and end if it were
// added now. It adds nothing.
func (q *Queue[T]) Predict(now time.Time, w Work) Prediction {
	n := q.draft(w)
	defer q.recycle(n)
	return q.predict(now, n)
}

func (q *Queue[T]) predict(now time.Time, n *entry[T]) Prediction {
	if len(q.held) == 0 && q.keptFromNone(now) {
		ratio := n.pace.ratio(now)
		return Prediction{StartsAt: now, EndsAt: now.Add(query.Duration(n.work.P50MS * ratio)), LatestAt: now.Add(query.Duration(n.work.P99MS * ratio)), AtOnce: true}
	}
	p, left := q.play(now), len(q.held)+1
	idle := q.runners - len(q.running) // less those that come before
	var out Prediction
	seen, late := false, 0
	q.with(n, func(e *entry[T], _ float64) {
		s := q.fit(p, e, left)
		p.take()
		left--
		if s.start == 0 {
			idle--
		}
		switch {
		case e == n:
			seen = true
			out.StartsAt, out.EndsAt, out.LatestAt = now.Add(s.start), now.Add(s.end), now.Add(s.latest)
			out.AtOnce = s.start == 0 && idle >= 0
		case seen && s.latest > e.work.endBy().Sub(now):
			e.late = true
			late++
		}
	})
	if late > 0 {
		q.displaced(now, &out)
	}
	return out
}

// displaced counts those of the queries marked as late that are not late
// without the one that is asked about, and removes the marks.
func (q *Queue[T]) displaced(now time.Time, out *Prediction) {
	p := q.play(now)
	for i, e := range q.held {
		s := q.fit(p, e, len(q.held)-i)
		p.take()
		if e.late && !now.Add(s.latest).After(e.work.endBy()) {
			if e.work.Class == query.Strict {
				out.StrictLate++
			} else {
				out.RelaxedLate++
			}
		}
		e.late = false
	}
}

// Admit adds a query if it is predicted to end by then, at its p99, and lets
// others do so (see Fits and latestFor). by is kept as its EndBy.
func (q *Queue[T]) Admit(now time.Time, w Work, by time.Time, item T) (Prediction, bool) {
	w.EndBy = by
	n := q.draft(w)
	p := q.predict(now, n)
	if !p.Fits(w.Class, by) || !p.AtOnce && p.LatestAt.After(q.latestFor(now, &w, by)) {
		q.recycle(n)
		return p, false
	}
	q.hold(n, item)
	return p, true
}

// latestFor is when a query must end that waits. In company, half of the time until then is
// kept free of the strict queries of an owner who is above its share. If they waited up to
// their bounds, each query of another owner would make one of them late, and would not be
// admitted for that.
func (q *Queue[T]) latestFor(now time.Time, w *Work, by time.Time) time.Time {
	if w.Class != query.Strict || !q.company.Several(now) || q.uses.keeps(w.Owner, q.usedBy(now, w.Owner)) {
		return by
	}
	return now.Add(by.Sub(now) / 2)
}

// NoSlot says that a worker has no slot for a query in time.
type NoSlot struct {
	PredictedMS float64 // when it would have ended, from now
	Evicted     bool    // it was admitted, and others became more urgent
}

func (n *NoSlot) Error() string {
	return fmt.Sprintf("no slot in time: the query would end in %.0f ms", n.PredictedMS)
}
