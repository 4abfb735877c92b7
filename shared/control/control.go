// Package control keeps a stage in order: it ends queries that have expired,
// forgets old ones and publishes the view of the fleet that intake places by.
package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"paragon/shared/cloud"
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
