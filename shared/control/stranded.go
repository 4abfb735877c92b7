package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// strandedBatches of strandedBatch messages of a class are read in a tick, at most.
	strandedBatches = 10
	strandedBatch   = 10
	// strandedLease holds a message while it is read; it is given back at once.
	strandedLease = 30 * time.Second
)

// endStranded ends the queries on a pool's work queues that no worker serves
// before they expire and that may not overflow, as failed with no_capacity: their
// callers need not wait until then. It is for a pool of which no worker is up or
// on its way, and reads nothing otherwise; nor after a tick that held, by which the
// scheme has not said what may overflow.
func (c *Controller) endStranded(ctx context.Context, p Pool, r decision.Record) error {
	if r.Case.Have() > 0 || launching(r.Case.Group) || r.Case.Snapshot.Pool.QueuedMS <= 0 || r.Outcome == procurement.Held {
		return nil
	}
	ctx, span := c.Traces.Child(ctx, "stranded queries")
	defer span.End()
	var errs []error
	rules := map[query.Class]procurement.Overflow{query.Strict: r.Action.Strict, query.Relaxed: r.Action.Relaxed}
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		if c.overflows(rules[class], r.Case.Settings) {
			continue
		}
		if err := c.endStrandedOf(ctx, platform.WorkQueue(p.Name, class), placement.Pool{Warm: r.Case.Group.Warm}, r.Case.Settings); err != nil {
			span.Fail("could not end queries that no worker can answer")
			errs = append(errs, fmt.Errorf("end %s queries that no worker can answer: %w", class, err))
		}
	}
	return errors.Join(errs...)
}

// launching reports whether the group is about to launch workers of which none has
// been seen yet, as after a restart.
func launching(g decision.Group) bool { return g.Desired > 0 && g.LaunchFault == "" }

// overflows reports whether queries under a rule may go to a function.
func (c *Controller) overflows(rule procurement.Overflow, set settings.Settings) bool {
	return c.Arch != "" && set.MaxOverflowConcurrency > 0 && rule == procurement.AtBound
}

// endStrandedOf ends those of one queue of a pool without workers, and gives the
// others back, uncounted.
func (c *Controller) endStrandedOf(ctx context.Context, q platform.QueueName, pool placement.Pool, set settings.Settings) error {
	growth := placement.GrowthOf(set)
	var ended, kept []platform.Delivery
	var errs []error
	for range strandedBatches {
		ds, err := c.Queues.Receive(ctx, q, strandedBatch, strandedLease, 0)
		if err != nil || len(ds) == 0 {
			errs = append(errs, err)
			break
		}
		for _, d := range ds {
			if pool.HasCapacity(query.Milliseconds(d.Message.ExpiresAt.Sub(c.Now())), 0, growth) {
				kept = append(kept, d)
			} else if err := c.failStranded(ctx, d.Message); err != nil {
				kept, errs = append(kept, d), append(errs, err)
			} else {
				ended = append(ended, d)
			}
		}
	}
	if len(ended) > 0 {
		errs = append(errs, c.Queues.Delete(ctx, ended...))
	}
	if len(kept) > 0 {
		errs = append(errs, c.Queues.Release(ctx, kept...))
	}
	return errors.Join(errs...)
}

// failStranded stores the end of a query, unless it has one.
func (c *Controller) failStranded(ctx context.Context, m query.Message) error {
	r, won, err := c.Records.PutRecord(ctx, m.Ended(query.Outcome{
		State: query.Failed, FinishedAt: c.Now(), Attempts: m.Attempts,
		Failure: &query.Failure{Code: query.NoCapacity, Detail: "no worker is ready or will be ready before the query expires, and the query may not overflow"},
	}))
	if won {
		c.Log.Warn("failed a query that no worker can answer in time", "query", r.ID)
	}
	return err
}
