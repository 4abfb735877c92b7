package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// takeKeyed takes a query in under an idempotency key. The key stands for one
// attempt, which has an id: a repeat is answered with that attempt's record,
// and runs again under the same id while there is none, as the process that finishes
// second finds the record of the first.
func (s *Service) takeKeyed(ctx context.Context, owner string, r Request, q *submission) (Answer, error) {
	if err := CheckKey(q.terms.Key); err != nil {
		return Answer{}, err
	}
	hash, err := r.bodyHash()
	if err != nil {
		return Answer{}, err
	}
	if err := s.identify(q, signed.Stored); err != nil {
		return Answer{}, err
	}
	mine := platform.Attempt{Owner: owner, Key: q.terms.key(), BodyHash: hash, ID: q.m.ID, Owed: q.terms.Wait <= 0, ForgetAt: q.m.ForgetAt}
	held, won, err := s.Attempts.ReserveKey(ctx, mine)
	if err != nil {
		return Answer{}, fmt.Errorf("reserve the idempotency key: %w", err)
	}
	if won {
		return s.first(ctx, q, held)
	}
	return s.repeat(ctx, q, held, mine)
}

// first answers a query whose attempt is the one that its key stands for.
func (s *Service) first(ctx context.Context, q *submission, held platform.Attempt) (Answer, error) {
	s.count(q)
	q.attempt = &held
	a, err := s.answer(ctx, q)
	if turnedAway(err) {
		if e := s.giveUp(ctx, q); e != nil {
			s.Log.Warn("could not free the idempotency key of a refused query; until that query expires, a repeat gets the same id and deadline", "error", e)
		}
	}
	return a, err
}

// giveUp replaces the attempt of a query that was turned away by one that is over
// already, so that a repeat is a query of its own and not a late one.
func (s *Service) giveUp(ctx context.Context, q *submission) error {
	over := q.m
	over.ID, over.ExpiresAt = "", q.m.AcceptedAt
	if err := s.sign(&over, signed.Stored); err != nil {
		return err
	}
	a := *q.attempt
	a.ID, a.Owed = over.ID, false
	if _, _, err := s.Attempts.ReplaceKey(ctx, q.attempt.ID, a); err != nil && !errors.Is(err, platform.ErrNotFound) {
		return fmt.Errorf("free the idempotency key of query %s, which was refused: %w", q.m.ID, err)
	}
	return nil
}

// repeat answers a request whose key was used before.
func (s *Service) repeat(ctx context.Context, q *submission, held, mine platform.Attempt) (Answer, error) {
	if held.BodyHash != mine.BodyHash {
		return Answer{}, refuse(KeyReused, "Idempotency-Key", "was used before, for query %s, with another request body", held.ID)
	}
	id, err := s.Keys.ParseID(held.ID)
	if err != nil {
		return Answer{}, fmt.Errorf("read the query id %s, which is stored with the idempotency key: %w", held.ID, err)
	}
	r, there, err := s.answered(ctx, held.ID)
	if err != nil {
		return Answer{}, err
	}
	expired := !there && !s.Now().Before(id.ExpiresAt) || there && r.State == query.Expired
	switch {
	case expired && !held.Owed:
		return s.again(ctx, q, held, mine)
	case there:
		return s.answerWith(q, r) // counted before, by the first
	case expired:
		r, err := s.expire(ctx, unfinished(held.Owner, held.ID, id))
		return Answer{Record: r}, err
	}
	// The first attempt is under way, or its process died: run it again.
	q.m.ID, q.attempt = held.ID, &held
	q.m.DeadlineAt = id.AcceptedAt.Add(q.m.DeadlineAt.Sub(q.m.AcceptedAt))
	q.m.AcceptedAt, q.m.ExpiresAt, q.m.ForgetAt = id.AcceptedAt, id.ExpiresAt, id.ForgetAt
	q.charged = true
	if q.terms.Wait <= 0 {
		if err := s.owe(ctx, q); err != nil {
			return Answer{}, err
		}
	}
	return s.answer(ctx, q)
}

// again replaces an attempt that expired while its caller waited, so that it
// was never promised an answer.
func (s *Service) again(ctx context.Context, q *submission, held, mine platform.Attempt) (Answer, error) {
	now, won, err := s.Attempts.ReplaceKey(ctx, held.ID, mine)
	if err != nil {
		return Answer{}, fmt.Errorf("replace the query of the idempotency key: %w", err)
	}
	if !won && now.ID == held.ID {
		return Answer{}, fmt.Errorf("replace query %s of the idempotency key: %w", held.ID, platform.ErrConflict)
	}
	if !won { // another repeat was faster
		return s.repeat(ctx, q, now, mine)
	}
	return s.first(ctx, q, now)
}

// owe notes that a keyed query's caller gets a 202 before it gets one: from
// then on its attempt is not replaced.
func (s *Service) owe(ctx context.Context, q *submission) error {
	if q.attempt == nil || q.attempt.Owed {
		return nil
	}
	owed := *q.attempt
	owed.Owed = true
	held, _, err := s.Attempts.ReplaceKey(ctx, owed.ID, owed)
	if err != nil {
		return fmt.Errorf("keep query %s from being replaced by a repeat of its request: %w", owed.ID, err)
	}
	if held.ID != owed.ID {
		return fmt.Errorf("query %s was replaced by a repeat of its request: %w", owed.ID, platform.ErrConflict)
	}
	q.attempt = &held
	return nil
}

// answered returns the record of a query if it has one.
func (s *Service) answered(ctx context.Context, id string) (query.Record, bool, error) {
	r, err := s.Records.GetRecord(ctx, id)
	if errors.Is(err, platform.ErrNotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read the record of query %s: %w", id, err)
	}
	return r, true, nil
}
