package fleet

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// StallAfter is how long strict work of a pool may be overdue until the pool is no longer
// relied on.
const StallAfter = time.Second

// Stall is what one observer has seen of the strict work of a pool: whether it moves. A
// report shows a stopped worker only once it is silent, and strict queries do not have that
// time. The zero value has seen nothing. It is not safe for concurrent use.
type Stall struct {
	overdueAt    time.Time // when work was last found overdue; zero while none is
	answeredAt   time.Time // when a worker last answered
	waitingSince time.Time // since when strict work waits, by the views of the pool; zero while none does
}

// Overdue notes that strict work of the pool is overdue.
func (s *Stall) Overdue(now time.Time) { s.overdueAt = now }

// Answered notes that a worker of the pool has answered.
func (s *Stall) Answered(now time.Time) { s.overdueAt, s.answeredAt = time.Time{}, now }

// Stalls reports whether strict work of the pool was overdue and no worker has been heard
// since, neither by an answer nor by a report, the last of which is from heardAt. Within
// StallAfter of an answer the work moves, and there may just be more of it than was known.
// Once a worker would count as silent, its reports alone say whether it serves.
func (s *Stall) Stalls(heardAt, now time.Time, set settings.Settings) bool {
	if since := now.Sub(s.answeredAt); since >= 0 && since < StallAfter {
		return false
	}
	return !s.overdueAt.IsZero() && !heardAt.After(s.overdueAt) && !Silent(s.overdueAt, now, set)
}

// viewsLate is how many views after a report the next one, and a count of a queue that agrees
// with it, may come late.
const viewsLate = settings.ReportViews + 1

// View takes what a view of the pool shows: whether strict queries wait on its queue, and its
// workers. One that is well takes a query when it has a free runner, and reports that, and
// every end: at once where it has not just reported, else within settings.ReportViews views. So strict work is
// overdue when views have shown for StallAfter that some waits, and each worker that counts as
// ready should have reported again for as long and viewsLate.
func (s *Stall) View(waits bool, c Census, now time.Time, set settings.Settings) {
	if !waits {
		*s = Stall{}
		return
	}
	view := seconds(set.ViewSeconds)
	if s.waitingSince.IsZero() {
		s.waitingSince = now
		return
	}
	// The view that comes next after StallAfter is not always a whole view later.
	overdue := now.Sub(s.waitingSince) > StallAfter-view/2
	for _, r := range c.Ready {
		overdue = overdue && now.Sub(r.At.Add(r.meanLeft())) > StallAfter+viewsLate*view
	}
	if overdue {
		s.Overdue(now)
	}
}

// meanLeft is the mean time that is left of the queries that a worker held when it reported.
func (r Report) meanLeft() time.Duration {
	return seconds((r.StrictMS + r.RelaxedMS) / 1000 / float64(max(1, r.Busy+r.Held())))
}

// Heard is when a worker of a census that counts as ready last reported.
func (c Census) Heard() (at time.Time) {
	for _, r := range c.Ready {
		if r.At.After(at) {
			at = r.At
		}
	}
	return at
}
