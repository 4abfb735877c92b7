package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// resubmit asks a letter's input again as another query, whose message takes the
// letter's place. The id of that query is kept as the attempt at the letter, as
// under an idempotency key: the caller who puts the letter back after a crash asks
// again under the same id, and anew only when that query expired unanswered.
func (d *Service) resubmit(ctx context.Context, l *letter, keys signed.Keys, keep time.Duration) error {
	if err := d.failUnended(ctx, l); err != nil {
		return err
	}
	if l.Outcome == api.Dropped {
		return d.Backend.Queues.Delete(ctx, l.Delivery)
	}
	fresh, err := d.newAttempt(l.Message, keys, keep)
	if err != nil {
		return err
	}
	id, ended, err := d.attempt(ctx, l.Message, fresh)
	if err != nil {
		return err
	}
	l.As = id
	if ended {
		return d.Backend.Queues.Delete(ctx, l.Delivery)
	}
	m, err := d.retryOf(l, id)
	if err != nil {
		return err
	}
	if err := platform.OweCallback(ctx, d.Backend.Callbacks, m); err != nil {
		return err
	}
	return d.Backend.Queues.Move(ctx, l.Delivery, platform.QueueName(l.DeadLetter.Queue), m)
}

// failUnended stores that a letter's query failed if it never ended. A query
// whose id is not signed, or is past its retention, has no record.
func (d *Service) failUnended(ctx context.Context, l *letter) error {
	if _, err := signed.PeekID(l.Message.ID); err != nil || l.State != "" || d.Now().After(l.Message.ForgetAt) {
		return nil
	}
	r, _, err := d.Backend.Records.PutRecord(ctx, l.Message.Ended(query.Outcome{
		State: query.Failed, FinishedAt: d.Now(), Attempts: l.Message.Attempts,
		Failure: &query.Failure{Code: query.TooOften, Detail: l.Why},
	}))
	if err != nil {
		return err
	}
	l.decide(r, true, platform.QueueName(l.DeadLetter.Queue))
	return nil
}

// newAttempt makes the attempt at a letter: a new query, with as much time as
// the letter's had.
func (d *Service) newAttempt(m query.Message, keys signed.Keys, keep time.Duration) (platform.Attempt, error) {
	now := d.Now()
	expires := now.Add(max(time.Minute, m.ExpiresAt.Sub(m.AcceptedAt)))
	id, err := signed.NewID(d.Random, signed.Stored, m.Owner, now, expires, expires.Add(keep))
	// Nobody is the owner of the empty name: no key of a caller's leads here.
	return platform.Attempt{Key: "retry of " + m.ID, ID: keys.SignID(id), Owed: true, ForgetAt: id.ForgetAt}, err
}

// attemptRounds bounds how often an attempt is read anew because another
// process changed it.
const attemptRounds = 10

// attempt returns the id under which a letter is asked again: the fresh
// attempt's, or that of an earlier one that has not expired; ended says that
// the earlier one has ended, and nothing is to be sent.
func (d *Service) attempt(ctx context.Context, m query.Message, fresh platform.Attempt) (id string, ended bool, err error) {
	held, won, err := d.Backend.Attempts.ReserveKey(ctx, fresh)
	for range attemptRounds {
		if err != nil || won {
			return held.ID, false, err
		}
		state, err := d.stateOf(ctx, m, held.ID)
		if err != nil || state != query.Expired {
			return held.ID, state != "", err
		}
		held, won, err = d.Backend.Attempts.ReplaceKey(ctx, held.ID, fresh)
		if errors.Is(err, platform.ErrNotFound) { // forgotten meanwhile
			held, won, err = d.Backend.Attempts.ReserveKey(ctx, fresh)
		}
		if err != nil {
			return "", false, err
		}
	}
	return "", false, fmt.Errorf("another process submitted the query again at the same time: %w", platform.ErrConflict)
}

// stateOf returns how an attempt at a letter ended, empty when it has not. One
// whose time is over is ended as expired.
func (d *Service) stateOf(ctx context.Context, m query.Message, id string) (query.State, error) {
	r, err := d.Backend.Records.GetRecord(ctx, id)
	if !errors.Is(err, platform.ErrNotFound) {
		return r.State, err
	}
	m, err = retryMessage(m, id)
	if err != nil || !d.Now().After(m.ExpiresAt) {
		return "", err
	}
	r, _, err = d.Backend.Records.PutRecord(ctx, m.Ended(query.Outcome{
		State: query.Expired, FinishedAt: d.Now(),
		Failure: &query.Failure{Code: query.TimedOut, Detail: "the query expired before it was answered"},
	}))
	return r.State, err
}

// retryOf is the message that asks again under an id what a letter asked.
func (d *Service) retryOf(l *letter, id string) (query.Message, error) {
	m, err := retryMessage(l.Message, id)
	m.Placement = l.DeadLetter.Queue
	m.Choice = cmp.Or(m.Choice, "as query "+l.Message.ID+" asked")
	m.Trail = query.Trail{}.Add(query.Step{At: d.Now(), Event: query.StepRedriven, Where: l.DeadLetter.Queue,
		Why: "query " + l.Message.ID + " ended without an answer: " + l.Why})
	return m, err
}

// retryMessage is a letter's message as that of the query with another id, which
// says when that was accepted and expires.
func retryMessage(m query.Message, id string) (query.Message, error) {
	parsed, err := signed.PeekID(id)
	if err != nil {
		return m, fmt.Errorf("the dead letter's new query %q: %w", id, err)
	}
	if !m.DeadlineAt.IsZero() {
		m.DeadlineAt = parsed.AcceptedAt.Add(m.DeadlineAt.Sub(m.AcceptedAt))
	}
	if m.Need.Task == "" { // of a version whose messages did not carry it
		m.Need = query.Need{Task: m.Task, Class: m.Class}
	}
	m.RetryOf, m.ID = m.ID, id
	m.AcceptedAt, m.ExpiresAt, m.ForgetAt = parsed.AcceptedAt, parsed.ExpiresAt, parsed.ForgetAt
	// Keyed, as it may be sent twice: consumers look for its record before they run it.
	m.Attempts, m.Died, m.Pinned, m.Keyed, m.Trace = 0, nil, false, true, ""
	return m, nil
}
