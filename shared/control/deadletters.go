package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// lettersEvery is how often dead letters are looked through.
	lettersEvery = time.Minute
	// letterBatches of letterBatch are read then, at most. What a queue hands out
	// of more is random, so that each is read in time.
	letterBatches = 3
	letterBatch   = 10 // a queue hands out no more at once
	// letterLease holds a letter while it is looked at; it is given back at once.
	letterLease = 30 * time.Second
)

// endDeadLetters stores `failed` for queries whose messages became dead letters
// without an end. A consumer that fails a query stores that itself. But a queue
// also takes a message out that came too often and whose consumer never lived
// to store anything. The letters stay where they are.
func (c *Controller) endDeadLetters(ctx context.Context) error {
	now := c.Now()
	c.mu.Lock()
	due := !now.Before(c.lettersAt.Add(lettersEvery))
	if due {
		c.lettersAt = now
	}
	c.mu.Unlock()
	if !due {
		return nil
	}
	ctx, span := c.Traces.Child(ctx, "dead letters")
	defer span.End()
	held, err := c.takeLetters(ctx)
	if err == nil && len(held) > 0 {
		err = c.failUnended(ctx, held)
	}
	err = errors.Join(err, c.putDown(ctx, held))
	if err != nil {
		span.Fail("could not read the dead letters")
		return fmt.Errorf("end the queries of dead letters: %w", err)
	}
	return nil
}

// putDown gives dead letters back as they are: to be sent anew would make them
// younger, and nothing counts how often they were received.
func (c *Controller) putDown(ctx context.Context, held []platform.Delivery) error {
	var errs []error
	for _, d := range held {
		if err := c.Queues.Extend(ctx, d, 0); err != nil && !errors.Is(err, platform.ErrLeaseLost) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// takeLetters takes dead letters up. Those in hand are returned with an error too.
func (c *Controller) takeLetters(ctx context.Context) (held []platform.Delivery, err error) {
	for range letterBatches {
		ds, err := c.Queues.Receive(ctx, platform.DeadLetters, letterBatch, letterLease, 0)
		held = append(held, ds...)
		if err != nil || len(ds) == 0 {
			return held, err
		}
	}
	return held, nil
}

// failUnended stores `failed` for those that have no record.
func (c *Controller) failUnended(ctx context.Context, held []platform.Delivery) error {
	ids := make([]string, len(held))
	for i, d := range held {
		ids[i] = d.Message.ID
	}
	states, err := c.Records.EndStates(ctx, ids...)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range held {
		if _, ended := states[d.Message.ID]; ended {
			continue
		}
		r, won, err := c.Records.PutRecord(ctx, d.Message.Ended(query.Outcome{
			State: query.Failed, FinishedAt: c.Now(), Attempts: d.Message.Attempts,
			Failure: &query.Failure{Code: query.TooOften, Detail: "its message was received too often, and no result of the query was stored"},
		}))
		if err != nil {
			errs = append(errs, err)
		} else if won {
			c.Log.Warn("stored that a dead letter's query has failed", "query", r.ID)
		}
	}
	return errors.Join(errs...)
}
