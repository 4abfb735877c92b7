// Package control keeps a stage in order: it ends queries that have expired,
// forgets old ones and publishes the view of the fleet that intake places by.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/placement"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/settings"
)

// Store is what control needs of the store.
type Store interface {
	Expired(ctx context.Context, now time.Time, limit int) ([]query.Record, error)
	Finish(ctx context.Context, id string, o query.Outcome) (query.Record, bool, error)
	Forget(ctx context.Context, now time.Time) (int, error)
}

// Fleet is what control needs of the fleet.
type Fleet interface {
	Workers(ctx context.Context, pool string) ([]cloud.WorkerReport, error)
	PublishView(ctx context.Context, v cloud.View) error
}

// Queues tells what waits.
type Queues interface {
	Depth(ctx context.Context, q cloud.QueueName) (cloud.Depth, error)
}

// Pool is a pool that is kept in view.
type Pool struct {
	Name         string
	InstanceType string
}

// Options are what a controller is made of. All must be set.
type Options struct {
	Pools     []Pool
	Catalogue *profile.Catalogue
	Store     Store
	Fleet     Fleet
	Queues    Queues
	Settings  func() settings.Settings // in force now
	Now       func() time.Time
	Log       *slog.Logger
}

// Controller keeps a stage in order.
type Controller struct{ Options }

// New makes a controller.
func New(o Options) *Controller { return &Controller{o} }

// Run sweeps every sweep_seconds and publishes the view every view_seconds,
// until ctx ends. Errors are logged; the next turn tries again.
func (c *Controller) Run(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(func() {
		c.every(ctx, "sweep", func(s settings.Settings) float64 { return s.SweepSeconds }, c.Sweep)
	})
	all.Go(func() {
		c.every(ctx, "publish the view", func(s settings.Settings) float64 { return s.ViewSeconds }, c.PublishView)
	})
	all.Wait()
}

// every does something at once and then at an interval that may change meanwhile.
func (c *Controller) every(ctx context.Context, what string, interval func(settings.Settings) float64, do func(context.Context) error) {
	for ctx.Err() == nil {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("could not "+what, "error", err)
		}
		t := time.NewTimer(time.Duration(interval(c.Settings()) * float64(time.Second)))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// sweepLimit bounds the queries that are read at once.
const sweepLimit = 100

// Sweep ends every query that has expired, with the reason, and forgets those
// that may be forgotten.
func (c *Controller) Sweep(ctx context.Context) error {
	now := c.Now()
	for {
		rs, err := c.Store.Expired(ctx, now, sweepLimit)
		if err != nil {
			return fmt.Errorf("list what has expired: %w", err)
		}
		for _, r := range rs {
			if err := c.expire(ctx, r, now); err != nil {
				return err
			}
		}
		if len(rs) < sweepLimit {
			break
		}
	}
	if _, err := c.Store.Forget(ctx, now); err != nil {
		return fmt.Errorf("forget old queries: %w", err)
	}
	return nil
}

// expire ends one query, unless somebody was faster.
func (c *Controller) expire(ctx context.Context, r query.Record, now time.Time) error {
	_, _, err := c.Store.Finish(ctx, r.ID, query.Outcome{
		State: query.Expired, FinishedAt: now, Failure: &query.Failure{Code: query.TimedOut, Detail: fmt.Sprintf(
			"not answered within %.0f s; it was sent to %s", r.ExpiresAt.Sub(r.AcceptedAt).Seconds(), r.Placement)},
	})
	if err != nil && !errors.Is(err, cloud.ErrNotFound) {
		return fmt.Errorf("end the expired query %s: %w", r.ID, err)
	}
	return nil
}

// missedBeats is after how many heartbeats without a report a worker does not
// count any more.
const missedBeats = 3

// PublishView writes how the pools stand: their ready workers and runners, and
// the work that waits and runs.
func (c *Controller) PublishView(ctx context.Context) error {
	view := cloud.View{At: c.Now()}
	for _, p := range c.Pools {
		seen, err := c.view(ctx, p)
		if err != nil {
			return fmt.Errorf("view pool %s: %w", p.Name, err)
		}
		view.Pools = append(view.Pools, seen)
	}
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
	alive := time.Duration(missedBeats * c.Settings().HeartbeatSeconds * float64(time.Second))
	for _, w := range workers {
		if w.State == cloud.Ready && now.Sub(w.At) <= alive {
			seen.Workers++
			seen.Runners += w.Runners
			// Strict work goes first, so it was worked off since the report.
			seen.StrictMS += max(0, w.StrictMS-float64(w.Runners)*query.Milliseconds(now.Sub(w.At)))
			seen.RelaxedMS += w.RelaxedMS
		}
	}
	return seen, nil
}

// meanServiceMS is the mean of the models' median service times: what a query
// that waits is taken for, as a queue does not tell its queries' models.
func (c *Controller) meanServiceMS(instanceType string) float64 {
	sum, n := 0.0, 0
	for i := range c.Catalogue.Models {
		m := &c.Catalogue.Models[i]
		if st, ok := c.Catalogue.OnVM(m, instanceType); ok && m.File != "" {
			sum += st.MS.P50
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}
