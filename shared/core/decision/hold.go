package decision

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
)

// decideOrHold lets the scheme decide, or holds the fleet: if a signal has a fault (it could
// not be read, is too old or has no valid value), or if procurement.Run holds, as no
// arrivals are known yet. After hold_limit_seconds of holding it goes to the safe mode. It
// is the only rule for when the controller holds.
func (c Case) decideOrHold(by procurement.Scheme) (procurement.Decision, State) {
	if faults := c.faults(); faults != "" {
		return c.hold(by, faults)
	}
	d, scheme := c.run(by)
	if d.Outcome == procurement.Held {
		return c.hold(by, d.Cause)
	}
	after := c.Before
	after.Scheme, after.HeldFrom = scheme, time.Time{}
	if c.gap() {
		after.WatchedFrom = c.At
	}
	return d, after
}

// gap reports whether ticks were missed, or there was none: what happened
// meanwhile is not known.
func (c Case) gap() bool {
	missed := time.Duration(max(60, 6*c.Settings.TickSeconds) * float64(time.Second))
	return c.Before.WatchedFrom.IsZero() || c.At.Sub(c.Before.TickedAt) > missed
}

// hold keeps what there is, and what was asked for and has not come. It does so for
// decideOrHold, which says when.
func (c Case) hold(by procurement.Scheme, cause string) (procurement.Decision, State) {
	after := c.Before
	after.LowerFrom, after.LowerMost = time.Time{}, 0
	if after.HeldFrom.IsZero() || after.HeldFrom.After(c.At) {
		after.HeldFrom = c.At
	}
	d := procurement.HoldWorkers(by, max(c.Have(), c.Group.Desired), c.Before.Scheme, cause)
	held := c.At.Sub(after.HeldFrom).Seconds()
	if held < c.Settings.HoldLimitSeconds {
		return d, after
	}
	peak, workers := c.lastPeak()
	d.Outcome, d.Workers = procurement.SafeMode, max(d.Workers, workers)
	d.Strict = procurement.AtBound
	d.Reason = fmt.Sprintf("safe mode: workers for the last known peak of %s, and strict queries may overflow, because no decision was possible for %.0f s: %s", procurement.Rate(peak), held, cause)
	return d, after
}

// peakSeconds is over how many seconds the last good peak is the mean.
const peakSeconds = 10

// lastPeak is the highest rate of the last good hour, in queries a second, and
// how many workers it needs; none when their throughput is not known.
func (c Case) lastPeak() (rate float64, workers int) {
	for _, sum := range arrivals.Bins(c.Before.Scheme.History, peakSeconds) {
		rate = max(rate, sum/peakSeconds)
	}
	if mu := c.Snapshot.Throughput(); mu > 0 {
		workers = int(math.Ceil(min(rate/mu, mostWorkers)))
	}
	return rate, workers
}

// mostWorkers bounds what a broken number can ask for before the guard sees it.
const mostWorkers = 1e6

// lower says for how many workers to go when fewer are wanted than there are:
// only what was wanted for scale_in_wait_seconds, the most of it.
func (c Case) lower(wanted int, after State) (int, State) {
	if wanted >= c.Have() {
		after.LowerFrom, after.LowerMost = time.Time{}, 0
		return wanted, after
	}
	if after.LowerFrom.IsZero() {
		after.LowerFrom, after.LowerMost = c.At, wanted
	}
	after.LowerMost = max(after.LowerMost, wanted)
	if c.At.Sub(after.LowerFrom).Seconds() < c.Settings.ScaleInWaitSeconds {
		return c.Have(), after
	}
	n := after.LowerMost
	after.LowerFrom, after.LowerMost = time.Time{}, 0 // the next wait begins
	return n, after
}

// Faults returns the signals that could not be relied upon.
func (r Record) Faults() []Signal {
	return slices.DeleteFunc(slices.Clone(r.Case.Signals), func(s Signal) bool { return s.Fault == "" })
}
