package workload

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Waiting is how many queries are on a pool's work queues.
type Waiting struct {
	Strict, Relaxed int
	InFlight        int           // in somebody's hands: one that dies gives them back
	Oldest          time.Duration // that the longest of them has waited
}

// All is both classes.
func (w Waiting) All() int { return w.Strict + w.Relaxed }

// Work is that on the queues where each query counts for the mean service time, as its
// own is not known.
func (w Waiting) Work(meanServiceMS float64) Queued {
	return Queued{StrictMS: float64(w.Strict) * meanServiceMS, RelaxedMS: float64(w.Relaxed) * meanServiceMS}
}

// Queued is the work on a pool's work queues, in milliseconds of one runner.
type Queued struct{ StrictMS, RelaxedMS float64 }

// Backlog is the work that a pool has before it, in milliseconds of one runner.
type Backlog struct {
	// WaitingMS is the work that no runner has begun: on the queues and in the
	// workers' hands. Schemes size the fleet by it.
	WaitingMS float64
	// StrictMS and RelaxedMS are the work ahead of a query that comes now, with
	// what runs. Queries are placed by it.
	StrictMS, RelaxedMS float64
}

// BacklogOf is the backlog of a pool at a time: of what is on its queues, and of what its
// ready workers say that they hold, each query for the mean service time. Strict work
// goes first, so that it was worked off since the report.
func BacklogOf(on Queued, ready []fleet.Report, meanServiceMS float64, now time.Time) Backlog {
	b := Backlog{WaitingMS: on.StrictMS + on.RelaxedMS, StrictMS: on.StrictMS, RelaxedMS: on.RelaxedMS}
	for _, r := range ready {
		b.WaitingMS += float64(r.Held()) * meanServiceMS
		since := max(0, query.Milliseconds(now.Sub(r.At)))
		b.StrictMS += max(0, r.StrictMS-float64(r.Runners)*since)
		b.RelaxedMS += r.RelaxedMS
	}
	return b
}
