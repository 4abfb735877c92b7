package control

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// totals are all that was counted of queries since a moment. They are written together
// with the history of tallies that they were counted by, like the rows of the past: a
// query is in them once, whichever controllers have counted it, and they never go back.
type totals struct {
	Since   time.Time     `json:"since"`
	Tallies []tally.Tally `json:"tallies,omitempty"` // by task, model and class
}

// countTotals adds what the processes have counted, where somebody wants the totals.
func (c *Controller) countTotals(now time.Time, more []tally.Tally) {
	p := &c.traffic.past
	if c.Totals == nil {
		p.Totals = nil
		return
	}
	if p.Totals == nil {
		p.Totals = &totals{Since: now.UTC()}
	}
	for i := range more {
		more[i].Compute, more[i].Paired, more[i].CostSquares = tally.Histogram{}, tally.Histogram{}, 0
	}
	p.Totals.Tallies = tally.Group(append(p.Totals.Tallies, more...), tally.ByModel)
}

// handOn hands on the totals once they are written.
func (c *Controller) handOn(now time.Time) {
	if all := c.traffic.past.Totals; all != nil && c.Totals != nil {
		c.Totals(telemetry.Totals{Since: all.Since, At: now, Tallies: all.Tallies, Burns: c.traffic.last.Burns()})
	}
}
