package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

const (
	// longestSample bounds the time that one sample of the fleet stands for, as when no
	// controller ran.
	longestSample = 10 * time.Minute
	// mostDue bounds the rows that are kept while the store takes none: the oldest are lost.
	mostDue = 100
)

// past is what became of queries and is not stored yet, as rows of a minute, of ten
// minutes and of an hour. It is written together with the history of tallies that it was
// counted by: two controllers that count the same queries cannot both go on from there.
type past struct {
	Open []timeline.Stored `json:"open,omitempty"` // that are not over
	// Due are over, and not known to be stored. They do not change any more, so that
	// who goes on from here may store them again.
	Due []timeline.Stored `json:"due,omitempty"`
	// SampledAt is when the workers were last counted; zero while there is none.
	SampledAt time.Time `json:"sampled_at,omitzero"`
	Totals    *totals   `json:"totals,omitempty"`
}

// add counts what happened just before now. Rows in which nothing did are left out.
func (p *past) add(now time.Time, row timeline.Row) {
	open := map[time.Duration]timeline.Row{}
	for _, s := range p.Open {
		open[s.Step] = s.Row
	}
	w := timeline.NewWriter(open)
	for _, s := range w.Add(now, row) {
		if s.Over(now) && !s.Row.Empty() {
			p.Due = append(p.Due, s)
		}
	}
	p.Due = p.Due[max(0, len(p.Due)-mostDue):]
	p.Open = w.Rows()
	if !slices.ContainsFunc(p.Open, func(s timeline.Stored) bool { return !s.Row.Empty() }) {
		p.Open = nil
	}
}

// samplePast counts what the processes have counted since the last sample, with the
// workers and what waits.
func (c *Controller) samplePast(now time.Time, more []tally.Tally) {
	if c.Timeline == nil {
		return
	}
	p, row := &c.traffic.past, timeline.Row{Samples: 1, Tallies: timeline.Slim(more)}
	for _, t := range more {
		if t.MemoryMB > 0 { // of functions; workers are paid for by their time
			row.CostUSD += t.CostUSD
		}
	}
	workers, usdPerHour := c.sampleFleet(&row)
	if !p.SampledAt.IsZero() && now.After(p.SampledAt) {
		row.CostUSD += usdPerHour * min(now.Sub(p.SampledAt), longestSample).Hours()
	}
	if p.SampledAt = now.UTC(); workers == 0 {
		p.SampledAt = time.Time{}
	}
	p.add(now, row)
}

// sampleFleet adds the workers and what waits for them, by the last view and ticks.
func (c *Controller) sampleFleet(row *timeline.Row) (workers int, usdPerHour float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.looked.Pools {
		n := p.Workers + p.Booting + p.Suspended + len(c.draining[p.Name])
		if i, ok := c.Catalogue.Current().Instance(p.InstanceType); ok {
			usdPerHour += float64(n) * i.USDPerHour
		}
		workers += n
		row.Ready, row.Wanted = row.Ready+float64(p.Workers), row.Wanted+float64(c.last[p.Name].Rules.To)
		waiting := c.counted[p.Name]
		row.Queued, row.OldestMS = row.Queued+waiting.All(), max(row.OldestMS, query.Milliseconds(waiting.Oldest))
	}
	return workers, usdPerHour
}

// storePast stores the rows that are over, once what they were counted by is written.
func (c *Controller) storePast(ctx context.Context) error {
	p := &c.traffic.past
	if len(p.Due) == 0 {
		return nil
	}
	if err := c.Timeline.PutTimeline(ctx, p.Due...); err != nil {
		return fmt.Errorf("store %d rows of the history: %w", len(p.Due), err)
	}
	p.Due = nil
	return nil
}
