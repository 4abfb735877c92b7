// Package settle ends queries and their messages, in the one order that loses
// nothing: first the outcome is stored, then the message goes. Workers and the
// dispatcher share it, so that they count attempts and file dead letters alike.
package settle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

// Queues is what settling needs of the queues.
type Queues interface {
	Delete(ctx context.Context, ds ...cloud.Delivery) error
	Move(ctx context.Context, d cloud.Delivery, to cloud.QueueName, msg query.Message) error
}

// Store is what settling needs of the store.
type Store interface {
	States(ctx context.Context, ids ...string) (map[string]query.State, error)
	Finish(ctx context.Context, id string, o query.Outcome) (query.Record, bool, error)
}

// Settler ends queries. Its methods may be called from many goroutines, and
// retry what may mend until their context ends: the caller's lease bounds it.
type Settler struct {
	Queues      Queues
	Store       Store
	Now         func() time.Time
	MaxAttempts func() int // the setting of that name
	Log         *slog.Logger

	late atomic.Int64
	bin  batcher
}

// LateWrites returns how many outcomes came after another had been stored.
func (s *Settler) LateWrites() int64 { return s.late.Load() }

// Attempts returns how many runs of a delivery's query failed so far: those
// that were counted, and those that nobody lived to count.
func Attempts(d cloud.Delivery) int { return d.Message.Attempts + max(0, d.Receives-1) }

// Runnable returns the deliveries that are still to be run, and ends the
// others: those whose query is finished, has expired, or took its runner down
// too often. What could not be ended is left, to come again. An error means
// that the store could not be asked, and that nothing was ended.
func (s *Settler) Runnable(ctx context.Context, ds []cloud.Delivery) (run, left []cloud.Delivery, err error) {
	ids := make([]string, len(ds))
	for i, d := range ds {
		ids[i] = d.Message.ID
	}
	states, err := s.Store.States(ctx, ids...)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the states of %d queries: %w", len(ds), err)
	}
	for _, d := range ds {
		if over, err := s.over(ctx, d, states[d.Message.ID]); err != nil {
			s.Log.Warn("could not end a query; its message stays", "query", d.Message.ID, "error", err)
			left = append(left, d)
		} else if !over {
			run = append(run, d)
		}
	}
	return run, left, nil
}

// over ends a delivery's query if it is not to be run. A query that the store
// does not know is run: should it be forgotten, its outcome finds no record.
func (s *Settler) over(ctx context.Context, d cloud.Delivery, state query.State) (bool, error) {
	switch {
	case state == query.Failed:
		// Whoever failed it may have died before it filed the dead letter.
		return true, s.move(ctx, d, cloud.DeadLetters, d.Message)
	case state.Terminal():
		return true, s.drop(ctx, d)
	case s.Now().After(d.Message.ExpiresAt):
		return true, s.End(ctx, d, query.Outcome{
			State: query.Expired, FinishedAt: s.Now(), Attempts: Attempts(d), Trail: d.Message.Trail,
			Failure: &query.Failure{Code: query.TimedOut, Detail: "it expired before it could be run"},
		})
	case Attempts(d) >= s.MaxAttempts():
		return true, s.Fail(ctx, d, Attempts(d), query.Failure{Code: query.TooOften,
			Detail: fmt.Sprintf("%d runs ended without an answer", Attempts(d))})
	}
	return false, nil
}

// End stores a delivery's outcome and then deletes its message. An outcome
// that another was stored before is dropped and counted.
func (s *Settler) End(ctx context.Context, d cloud.Delivery, o query.Outcome) error {
	if err := s.finish(ctx, d.Message.ID, o); err != nil {
		return err
	}
	return s.drop(ctx, d)
}

// Fail stores that a delivery's query failed after so many attempts, and then
// files its message as a dead letter.
func (s *Settler) Fail(ctx context.Context, d cloud.Delivery, attempts int, f query.Failure) error {
	o := query.Outcome{State: query.Failed, FinishedAt: s.Now(), Failure: &f, Attempts: attempts, Trail: d.Message.Trail}
	if err := s.finish(ctx, d.Message.ID, o); err != nil {
		return err
	}
	msg := d.Message
	msg.Attempts = attempts
	return s.move(ctx, d, cloud.DeadLetters, msg)
}

// Pass puts a delivery's message on another queue (or its own), with a step
// that says why and its failed attempts counted.
func (s *Settler) Pass(ctx context.Context, d cloud.Delivery, to cloud.QueueName, attempts int, step query.Step) error {
	msg := d.Message
	msg.Attempts = attempts
	msg.Trail = msg.Trail.Add(step)
	return s.move(ctx, d, to, msg)
}

// Pin is Pass for a message that may not be bounced again.
func (s *Settler) Pin(ctx context.Context, d cloud.Delivery, to cloud.QueueName, attempts int, step query.Step) error {
	d.Message.Pinned = true
	return s.Pass(ctx, d, to, attempts, step)
}

func (s *Settler) finish(ctx context.Context, id string, o query.Outcome) error {
	err := retry(ctx, func() error {
		_, won, err := s.Store.Finish(ctx, id, o)
		if err == nil && !won {
			s.late.Add(1)
		}
		return err
	})
	if errors.Is(err, cloud.ErrNotFound) { // forgotten: nobody can ask for it any more
		s.late.Add(1)
		return nil
	}
	if err != nil {
		return fmt.Errorf("store the outcome of query %s: %w", id, err)
	}
	return nil
}

func (s *Settler) drop(ctx context.Context, d cloud.Delivery) error {
	if err := retry(ctx, func() error { return s.bin.delete(ctx, s.Queues, d) }); err != nil {
		return fmt.Errorf("delete the message of query %s: %w", d.Message.ID, err)
	}
	return nil
}

func (s *Settler) move(ctx context.Context, d cloud.Delivery, to cloud.QueueName, msg query.Message) error {
	err := retry(ctx, func() error { return s.Queues.Move(ctx, d, to, msg) })
	if errors.Is(err, cloud.ErrLeaseLost) { // whoever holds it now decides
		return nil
	}
	if err != nil {
		return fmt.Errorf("move the message of query %s to %s: %w", d.Message.ID, to, err)
	}
	return nil
}
