package workload

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
)

// Estimate follows the strict work ahead in a pool (Backlog.StrictMS) between two
// views of it: what was sent since adds to it, and the runners work it off. The
// zero value knows of no runners. It is not safe for concurrent use.
type Estimate struct {
	view    placement.Pool
	aheadMS float64
	at      time.Time
	sent    []sent // since the view was taken, oldest first
}

type sent struct {
	at time.Time
	ms float64
}

// keepSent bounds the memory of what was sent since a view that stopped
// coming: the oldest entries are folded into the work ahead anyway.
const keepSent = 4096

// setBack is by how much an older view must be older to mean that the clock
// was set back, and not that two views came out of order.
const setBack = time.Minute

// Observe takes a newer view. What was sent after the view was taken is not in it
// and is counted on top. An older view changes nothing, unless the clock was
// set back: then all begins anew, or this view would be the last for long.
func (e *Estimate) Observe(v placement.Pool) {
	if older := e.view.At.Sub(v.At); older >= setBack {
		e.sent = e.sent[:0]
	} else if older > 0 {
		return
	}
	e.view, e.aheadMS, e.at = v, v.StrictMS, v.At
	keep := e.sent[:0]
	for _, s := range e.sent {
		if s.at.After(v.At) {
			e.workOff(s.at)
			e.aheadMS += s.ms
			keep = append(keep, s)
		}
	}
	e.sent = keep
}

// Runners returns how many runners the pool had at the last view.
func (e *Estimate) Runners() int { return e.view.Runners }

// View returns the last view.
func (e *Estimate) View() placement.Pool { return e.view }

// AheadMS returns the strict work ahead of a query that arrives now, in
// milliseconds of one runner.
func (e *Estimate) AheadMS(now time.Time) float64 {
	e.workOff(now)
	return e.aheadMS
}

// Sent counts a strict query of that median service time as ahead of later ones.
// Not its p99: many queries ahead take their mean, and that is what a view counts.
func (e *Estimate) Sent(now time.Time, serviceMS float64) {
	e.workOff(now)
	e.aheadMS += serviceMS
	if len(e.sent) == keepSent {
		e.sent = e.sent[:copy(e.sent, e.sent[keepSent/2:])]
	}
	e.sent = append(e.sent, sent{at: now, ms: serviceMS})
}

func (e *Estimate) workOff(now time.Time) {
	if passed := now.Sub(e.at); passed > 0 {
		e.aheadMS = max(0, e.aheadMS-float64(e.view.Runners)*passed.Seconds()*1000)
		e.at = now
	}
}
