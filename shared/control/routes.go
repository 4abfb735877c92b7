package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// turnSeconds is how long a load balancer may go on sending requests where
// they went before they were turned.
const turnSeconds = 10

// Reconcile turns the requests that come in to the workers, if one is healthy,
// and else to the api function, and does nothing else. It is for an event
// between two ticks: a worker left. Where another controller has the lease, its
// next tick does it.
func (c *Controller) Reconcile(ctx context.Context) error {
	if c.Traffic == nil {
		return nil
	}
	if _, err := c.DecisionLog.AcquireLease(ctx, c.Holder, leaseLength(c.settings())); err != nil {
		if errors.Is(err, platform.ErrLeaseLost) {
			return nil
		}
		return err
	}
	defer c.releaseLease(ctx)
	c.mu.Lock()
	clear(c.draining) // of this moment is what counts
	c.mu.Unlock()
	_, err := c.turn(ctx)
	return err
}

// noteDraining keeps which of a pool's workers drain.
func (c *Controller) noteDraining(pool string, ws []platform.WorkerReport) (ids []string) {
	for _, w := range ws {
		if w.State == platform.Draining {
			ids = append(ids, w.ID)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining[pool] = ids
	return ids
}

// allDraining lists the workers of every pool that drain. They answer the load
// balancer's health checks until they are deregistered.
func (c *Controller) allDraining(ctx context.Context) (all []string, err error) {
	for _, p := range c.Pools {
		c.mu.Lock()
		ids, known := c.draining[p.Name]
		c.mu.Unlock()
		if !known {
			ws, err := c.Fleet.Workers(ctx, p.Name)
			if err != nil {
				return nil, err
			}
			ids = c.noteDraining(p.Name, ws)
		}
		all = append(all, ids...)
	}
	return all, nil
}

// turn sends requests to the workers while one is healthy that does not leave,
// and else to the api function. It says whether it turned them away from the
// workers just now: those who leave must then answer for a while yet.
func (c *Controller) turn(ctx context.Context, leaving ...string) (away bool, err error) {
	if c.Traffic == nil {
		return false, nil
	}
	routes, err := c.Traffic.Routes(ctx)
	if err != nil {
		return false, err
	}
	draining, err := c.allDraining(ctx)
	if err != nil {
		return false, err
	}
	toWorkers := routes.Remaining(slices.Concat(leaving, draining)...)
	if toWorkers == routes.ToWorkers {
		return false, nil
	}
	// The lease may be another's by now, who knows better.
	if _, err := c.DecisionLog.AcquireLease(ctx, c.Holder, leaseLength(c.settings())); err != nil {
		return false, fmt.Errorf("renew the lease before requests are rerouted: %w", err)
	}
	if err := c.Traffic.Turn(ctx, toWorkers); err != nil {
		return false, err
	}
	c.Log.Info("requests are rerouted", "to_workers", toWorkers, "healthy", len(routes.Healthy), "leaving", len(leaving))
	return !toWorkers, nil
}

// turnFor turns requests before workers leave. When they went to those who
// leave, it waits until none comes any more; should it fail or be cut short,
// nobody leaves, and the next tick finds the requests turned.
func (c *Controller) turnFor(ctx context.Context, leaving []string) error {
	away, err := c.turn(ctx, leaving...)
	if err != nil || !away || len(leaving) == 0 {
		return err
	}
	t := time.NewTimer(turnSeconds * time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait until no request reaches the last workers: %w", ctx.Err())
	case <-t.C:
		return nil
	}
}
