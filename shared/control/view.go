package control

import (
	"context"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/placement"
	"paragon/shared/core/procurement"
	"paragon/shared/core/query"
)

// missedBeats is after how many heartbeats without a report a worker does not
// count any more.
const missedBeats = 3

// PublishView writes how the pools stand: their ready workers and runners, and
// the work that waits and runs; and what became of the last queries.
func (c *Controller) PublishView(ctx context.Context) error {
	view := cloud.View{At: c.Now()}
	for _, p := range c.Pools {
		seen, err := c.view(ctx, p)
		if err != nil {
			return fmt.Errorf("view pool %s: %w", p.Name, err)
		}
		view.Pools = append(view.Pools, seen)
	}
	view.Traffic = c.followTraffic(ctx, view.At)
	if err := c.Fleet.PublishView(ctx, view); err != nil {
		return fmt.Errorf("publish the fleet view: %w", err)
	}
	return nil
}

func (c *Controller) view(ctx context.Context, p Pool) (placement.Pool, error) {
	now := c.Now()
	seen := placement.Pool{Name: p.Name, InstanceType: p.InstanceType, At: now}
	strict, err := c.Queues.Depth(ctx, cloud.WorkQueue(p.Name, query.Strict))
	if err != nil {
		return seen, fmt.Errorf("count the strict queue: %w", err)
	}
	relaxed, err := c.Queues.Depth(ctx, cloud.WorkQueue(p.Name, query.Relaxed))
	if err != nil {
		return seen, fmt.Errorf("count the relaxed queue: %w", err)
	}
	workers, err := c.Fleet.Workers(ctx, p.Name)
	if err != nil {
		return seen, err
	}
	each := c.meanServiceMS(p.InstanceType)
	seen.StrictMS, seen.RelaxedMS = float64(strict.Visible)*each, float64(relaxed.Visible)*each
	alive := time.Duration(missedBeats * c.settings().HeartbeatSeconds * float64(time.Second))
	for _, w := range workers {
		if w.State == cloud.Ready && now.Sub(w.At) <= alive {
			seen.Workers++
			seen.Runners += w.Runners
			// Strict work goes first, so it was worked off since the report.
			seen.StrictMS += max(0, w.StrictMS-float64(w.Runners)*query.Milliseconds(now.Sub(w.At)))
			seen.RelaxedMS += w.RelaxedMS
		}
	}
	c.addRules(ctx, &seen)
	return seen, nil
}

// addRules adds the rules of the last tick, be it another controller's. Without
// one there are none.
func (c *Controller) addRules(ctx context.Context, p *placement.Pool) {
	c.mu.Lock()
	a, ok := c.rules[p.Name]
	c.mu.Unlock()
	if !ok {
		a = c.recall(ctx, Pool{Name: p.Name}).Rules
		c.follow(p.Name, a)
	}
	p.NoStrictOverflow = a.Strict == procurement.Never
	p.RelaxedOverflow = a.Relaxed == procurement.AtBound
	p.BudgetLeftUSD = a.BudgetLeftUSD
}

// meanServiceMS is the mean of the models' median service times: what a query
// that waits is taken for, as a queue does not tell its queries' models.
func (c *Controller) meanServiceMS(instanceType string) float64 {
	sum, n := 0.0, 0
	catalogue := c.Catalogue.Current()
	for i := range catalogue.Models {
		m := &catalogue.Models[i]
		if st, ok := catalogue.OnVM(m, instanceType); ok && m.File != "" {
			sum += st.MS.P50
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
