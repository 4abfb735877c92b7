package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/placement"
	"paragon/shared/core/query"
	"paragon/shared/core/settings"
	"paragon/shared/telemetry/tracing"
)

// Submit takes a query in for an owner and returns its record once it is
// stored and sent. With a key, a repeat of the same request returns the first
// one's record as it stands, and fresh is false. A *Refusal says what is wrong
// with the request; nothing is stored then.
func (s *Service) Submit(ctx context.Context, owner, key string, r Request) (rec query.Record, fresh bool, err error) {
	ctx, span := s.Traces.Root(ctx, "accept")
	defer func() { told(span, rec, err); span.End() }()
	if key == "" {
		return s.submit(ctx, owner, s.NewID(), "", r)
	}
	if err := checkKey(key); err != nil {
		return rec, false, err
	}
	hash, err := r.bodyHash()
	if err != nil {
		return rec, false, err
	}
	id := query.KeyedID(owner, key)
	first, err := s.Store.Get(ctx, id)
	switch {
	case errors.Is(err, cloud.ErrNotFound):
		return s.submit(ctx, owner, id, hash, r)
	case err != nil:
		return rec, false, fmt.Errorf("look for the key's first query: %w", err)
	}
	return s.repeat(ctx, first, hash, r.Input)
}

// told adds to a span what became of a request.
func told(span tracing.Span, rec query.Record, err error) {
	if !span.On() {
		return
	}
	span.Query(rec.Message(query.Input{}))
	span.Set("placement", rec.Placement)
	var no *Refusal
	switch {
	case errors.As(err, &no):
		span.Fail(string(no.Kind))
	case err != nil:
		span.Fail("the query could not be taken in")
	}
}

// repeat answers a request whose key was used before. An unfinished query is
// accepted again as it was, which sends it if a crash kept it from being sent.
func (s *Service) repeat(ctx context.Context, first query.Record, hash string, in query.Input) (query.Record, bool, error) {
	if first.BodyHash != hash {
		return first, false, refuse(KeyReused, "Idempotency-Key", "was used for query %s with another body", first.ID)
	}
	if first.State.Terminal() {
		return first, false, nil
	}
	rec, _, err := s.Store.Accept(ctx, first, cloud.QueueName(first.Placement), first.Message(in))
	if err != nil {
		return rec, false, fmt.Errorf("accept query %s again: %w", first.ID, err)
	}
	return rec, false, nil
}

// submit validates, selects, places, stores and sends.
func (s *Service) submit(ctx context.Context, owner, id, hash string, r Request) (query.Record, bool, error) {
	set := s.Settings()
	s.refreshView(ctx, set)
	if s.Votes != nil {
		s.learnt.refresh(ctx, s, set)
	}
	now := s.Now()
	p, err := s.selects(ctx, r, now, set)
	if err != nil {
		return query.Record{}, false, err
	}
	if err := s.checkInput(ctx, owner, r.Input, p.model, set); err != nil {
		return query.Record{}, false, err
	}
	asks := s.asks(p, set)
	_, span := s.Traces.Child(ctx, "place")
	to, err := s.fleet.place(p.pool.Name, s.ask(p, set), asks.functionUSD, now, set)
	span.Set("route", string(to.Route))
	span.Set("reason", string(to.Reason))
	span.End()
	if err != nil {
		return query.Record{}, false, err
	}
	rec := record(p, to.Choice, now, set)
	rec.ID, rec.Owner, rec.BodyHash = id, owner, hash
	stored, fresh, err := s.store(ctx, rec, r.Input)
	if err != nil || !fresh {
		s.fleet.unbook(to.bookedUSD, now)
	}
	if err != nil {
		return stored, false, fmt.Errorf("accept query %s: %w", id, err)
	}
	if !fresh && stored.BodyHash != hash {
		return stored, false, refuse(KeyReused, "Idempotency-Key", "was used for query %s with another body", id)
	}
	if fresh {
		s.arrivals.count(now, rec.Need.Task, rec.Class, asks)
	}
	return stored, fresh, nil
}

// selects is plan, traced.
func (s *Service) selects(ctx context.Context, r Request, now time.Time, set settings.Settings) (plan, error) {
	_, span := s.Traces.Child(ctx, "select")
	defer span.End()
	p, err := s.plan(r, now, set)
	if err == nil {
		span.Set("model", p.chosen.Model)
	}
	return p, err
}

// store stores a query and sends its message, which carries the trace on.
func (s *Service) store(ctx context.Context, rec query.Record, in query.Input) (query.Record, bool, error) {
	ctx, span := s.Traces.Child(ctx, "store")
	defer span.End()
	span.Set("queue", rec.Placement)
	m := rec.Message(in)
	m.Trace = s.Traces.Carry(ctx)
	return s.Store.Accept(ctx, rec, cloud.QueueName(rec.Placement), m)
}

// record is a query as it is first stored, without whose it is.
func record(p plan, c placement.Choice, now time.Time, set settings.Settings) query.Record {
	to, predicted := cloud.WorkQueue(p.pool.Name, p.class), c.PredictedMS+set.PathMS
	if c.Route == placement.ToOverflow {
		to, predicted = cloud.Overflow, p.chosen.LatencyMS
	}
	expires := query.ExpiresAt(now, p.latencyMS)
	return query.Record{
		State: query.Placed, Need: p.need, Model: p.model.Name, Class: p.class,
		AcceptedAt: now, DeadlineAt: now.Add(query.Duration(p.latencyMS)), ExpiresAt: expires,
		ForgetAt:  expires.Add(query.Duration(set.IdempotencyHours * 3600 * 1000)),
		Placement: string(to), PredictedMS: predicted, Choice: p.chosen.Reason,
		Trail: query.Trail{}.Add(query.Step{At: now, Event: query.StepPlaced, Where: string(to), Why: c.String()}),
	}
}
