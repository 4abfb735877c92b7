package control

import (
	"context"
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/overflow"
	"github.com/paragon-serving/paragon/shared/platform"
)

// looked is the last view of the fleet, with the classes of each pool of which queries
// wait.
type looked struct {
	platform.FleetView
	waiting map[string][]query.Class
}

// HandOver hands over to functions what waits for the workers of a pool of which none
// answers, by the last view: once a view, because a strict query may have a second.
// It asks nothing of the queues of other pools. Any number of controllers may do it
// at once, as each message is in the hands of one.
func (c *Controller) HandOver(ctx context.Context) error {
	c.mu.Lock()
	v := c.looked
	c.mu.Unlock()
	set := c.settings()
	if c.Shared == nil || fleet.Silent(v.At, c.Now(), set) {
		return nil
	}
	var errs []error
	for _, p := range v.Pools {
		classes := v.waiting[p.Name]
		if p.Workers > 0 && c.answers(p.Name) {
			if !p.Stalled {
				continue
			}
			classes = []query.Class{query.Strict} // relaxed ones have the time until the workers count as silent
		}
		if len(classes) == 0 {
			continue
		}
		rule := overflow.Rule{Catalogue: c.Catalogue.Current(), Arch: c.Arch, InstanceType: p.InstanceType, Settings: set, Warm: v.WarmFunctions}
		errs = append(errs, c.keeper().HandOver(ctx, p, rule, classes...))
	}
	return errors.Join(errs...)
}

// answers reports whether some worker of a pool that counts as ready answers.
func (c *Controller) answers(pool string) bool { return c.Answers == nil || c.Answers(pool) }

// keeper is what hands over, within the stage's limits.
func (c *Controller) keeper() overflow.Keeper {
	charger := overflow.Charger{Catalogue: c.Catalogue, Arch: c.Arch, Settings: c.settings, Limits: c.overflowLimits, Taker: c.limits,
		Line: overflow.Line{Shared: c.Shared}, Now: c.Now}
	return overflow.Keeper{Queues: c.Queues, May: charger.May, Now: c.Now}
}

// overflowLimits are the stage's limits now, by the last view.
func (c *Controller) overflowLimits(set settings.Settings) limits.Limits {
	c.mu.Lock()
	defer c.mu.Unlock()
	return overflow.LimitsOf(set, c.looked.FleetView, c.Catalogue.Current(), c.Now())
}

// closeLimits gives back what it took of the stage's limits.
func (c *Controller) closeLimits(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	c.limits.Close(ctx)
}
