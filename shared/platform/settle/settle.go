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

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Queues is what settling needs of the queues.
type Queues interface {
	Delete(ctx context.Context, ds ...platform.Delivery) error
	Move(ctx context.Context, d platform.Delivery, to platform.QueueName, msg query.Message) error
}

// Records is what settling needs of the records.
type Records interface {
	PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error)
	EndStates(ctx context.Context, ids ...string) (map[string]query.State, error)
}

// Settler ends queries. Its methods may be called from many goroutines, and
// retry what may mend until their context ends: the caller's lease bounds it.
type Settler struct {
	Queues      Queues
	Records     Records
	Now         func() time.Time
	MaxAttempts func() int // the setting of that name
	Log         *slog.Logger
	Counts      *tally.Book // counts the queries that it ends; nil counts none

	late, expired atomic.Int64
	bin           batcher
}

// LateWrites returns how many outcomes came after another had been stored.
func (s *Settler) LateWrites() int64 { return s.late.Load() }

// Expired returns how many messages were dropped because their query had
// expired before it could be run.
func (s *Settler) Expired() int64 { return s.expired.Load() }

// ErrTooLate says that an outcome was not stored because its query expires: who
// comes next ends it as expired.
var ErrTooLate = errors.New("the query expires before its outcome can be stored")

// lastWrite is how long before a query's expiry the last try to store its
// outcome may begin; a try ends with the expiry. The process that puts `expired` after
// that seldom meets an outcome on its way. Should they meet, the first record
// wins all the same.
const lastWrite = time.Second

// Attempts returns how many runs of a delivery's query failed so far: those
// that were counted, and those that nobody lived to count.
func Attempts(d platform.Delivery) int { return d.Message.Attempts + max(0, d.Receives-1) }

// Deadly is the failure of a query that had the given number of workers when they ended.
func Deadly(deaths int) query.Failure {
	return query.Failure{Code: query.TooOften, Detail: fmt.Sprintf("%d workers ended while they had the query, so no further worker gets it", deaths)}
}

// Runnable returns the deliveries that are still to be run, and ends the
// others: those whose query is finished, has expired, or took its runner down
// too often. What could not be ended is left, to come again. Only a query with
// an idempotency key, or one that was handed out before, may be finished: the
// records are read for those alone. An error means that they could not be read,
// and that nothing was ended.
func (s *Settler) Runnable(ctx context.Context, ds []platform.Delivery) (run, left []platform.Delivery, err error) {
	var ids []string
	for _, d := range ds {
		if d.Message.Keyed || d.Receives > 1 {
			ids = append(ids, d.Message.ID)
		}
	}
	var states map[string]query.State
	if len(ids) > 0 {
		if states, err = s.Records.EndStates(ctx, ids...); err != nil {
			return nil, nil, fmt.Errorf("read the end states of %d queries: %w", len(ids), err)
		}
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

// over ends a delivery's query if it is not to be run. The state is that of its
// record, empty when it has none or was not asked for.
func (s *Settler) over(ctx context.Context, d platform.Delivery, state query.State) (bool, error) {
	switch {
	case state == query.Failed && d.Receives > 1:
		// The process that failed it may have died before it filed the dead letter. A message
		// that comes for the first time is a repeat's: it was not this one that failed.
		return true, s.move(ctx, d, platform.DeadLetters, d.Message)
	case state.Terminal():
		return true, s.drop(ctx, d)
	case s.Now().After(d.Message.ExpiresAt):
		return true, s.expire(ctx, d)
	case len(d.Message.Died) >= query.MostDeaths:
		return true, s.Fail(ctx, d, Attempts(d), Deadly(len(d.Message.Died)))
	case Attempts(d) >= s.MaxAttempts():
		return true, s.Fail(ctx, d, Attempts(d), query.Failure{Code: query.TooOften,
			Detail: fmt.Sprintf("%d runs ended without an answer", Attempts(d))})
	}
	return false, nil
}

// expire ends a query whose time is over and drops its message.
func (s *Settler) expire(ctx context.Context, d platform.Delivery) error {
	err := s.End(ctx, d, query.Outcome{
		State: query.Expired, FinishedAt: s.Now(), Attempts: Attempts(d),
		Failure: &query.Failure{Code: query.TimedOut, Detail: "it expired before it could be run"},
	})
	if err == nil {
		s.expired.Add(1)
	}
	return err
}

// End stores a delivery's outcome and then deletes its message, or files that
// of a failed query as a dead letter, unless the failure is the caller's own: dead
// letters ring an alarm, and to put such a one back is of no use. An outcome that another was stored before
// is dropped and counted. ErrTooLate when the query expires meanwhile: its
// message is left then.
func (s *Settler) End(ctx context.Context, d platform.Delivery, o query.Outcome) error {
	held, err := s.put(ctx, d.Message.Ended(o))
	if err != nil {
		return err
	}
	if o.State != query.Failed || held != query.Failed || o.Failure != nil && o.Failure.Code.Callers() {
		return s.drop(ctx, d)
	}
	msg := d.Message
	msg.Attempts = o.Attempts
	return s.move(ctx, d, platform.DeadLetters, msg)
}

// Fail stores that a delivery's query failed after the given number of attempts, and then
// files its message as a dead letter.
func (s *Settler) Fail(ctx context.Context, d platform.Delivery, attempts int, f query.Failure) error {
	return s.End(ctx, d, query.Outcome{State: query.Failed, FinishedAt: s.Now(), Failure: &f, Attempts: attempts})
}

// Pass puts a delivery's message on another queue (or its own), with a step
// that says why and its failed attempts counted.
func (s *Settler) Pass(ctx context.Context, d platform.Delivery, to platform.QueueName, attempts int, step query.Step) error {
	msg := d.Message
	msg.Attempts = attempts
	msg.Trail = msg.Trail.Add(step)
	return s.move(ctx, d, to, msg)
}

// Pin is Pass for a message that may not be handed over to the functions again.
func (s *Settler) Pin(ctx context.Context, d platform.Delivery, to platform.QueueName, attempts int, step query.Step) error {
	d.Message.Pinned = true
	return s.Pass(ctx, d, to, attempts, step)
}

// put stores a record and returns the state that is held then.
func (s *Settler) put(ctx context.Context, r query.Record) (held query.State, err error) {
	if r.State != query.Expired {
		left := r.ExpiresAt.Sub(s.Now())
		tries, cancel := context.WithTimeoutCause(ctx, left-lastWrite, ErrTooLate)
		defer cancel()
		write, end := context.WithTimeoutCause(ctx, left, ErrTooLate)
		defer end()
		return s.tryPut(tries, write, r)
	}
	return s.tryPut(ctx, ctx, r)
}

// tryPut begins tries to store a record until the first context ends; each ends
// with the second at the latest.
func (s *Settler) tryPut(tries, write context.Context, r query.Record) (query.State, error) {
	held, won := query.Record{}, false
	err := context.Cause(tries)
	if err == nil {
		err = retry(tries, func() (err error) {
			held, won, err = s.Records.PutRecord(write, r)
			return err
		})
	}
	if err != nil {
		return "", fmt.Errorf("store the outcome of query %s: %w", r.ID, err)
	}
	if won {
		s.Counts.Settled(r)
	} else {
		s.late.Add(1)
	}
	return held.State, nil
}

func (s *Settler) drop(ctx context.Context, d platform.Delivery) error {
	if err := retry(ctx, func() error { return s.bin.delete(ctx, s.Queues, d) }); err != nil {
		return fmt.Errorf("delete the message of query %s: %w", d.Message.ID, err)
	}
	return nil
}

func (s *Settler) move(ctx context.Context, d platform.Delivery, to platform.QueueName, msg query.Message) error {
	err := retry(ctx, func() error { return s.Queues.Move(ctx, d, to, msg) })
	if errors.Is(err, platform.ErrLeaseLost) { // the process that holds it now decides
		return nil
	}
	if err != nil {
		return fmt.Errorf("move the message of query %s to %s: %w", d.Message.ID, to, err)
	}
	return nil
}
