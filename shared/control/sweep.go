package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

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
