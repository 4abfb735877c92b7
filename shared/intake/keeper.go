package intake

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A query that overflows by the queue depends on the queue and the dispatcher. The
// intake that holds its request keeps its deadline: when there is no record at the
// last moment at which a function can still answer in time, it invokes one itself.
// Both may run then; the first record is the answer.

// keepAt returns when to invoke a function for a query that was sent to the
// overflow queue, and whether it is to be at all: a bound that leaves no room for
// the queue's way and a second run would have every query run twice.
func (s *Service) keepAt(q *submission) (time.Time, bool) {
	if s.Functions == nil || q.class != query.Strict || q.m.Placement != string(platform.Overflow) {
		return time.Time{}, false
	}
	last, ok := sizing.LastResort(s.catalogue(), q.model, s.Arch, q.latencyMS, q.set.OverflowPathMS)
	if !ok {
		return time.Time{}, false
	}
	p95, way := query.Duration(last.Size.P95MS), query.Duration(q.set.OverflowPathMS)
	at := q.m.DeadlineAt.Add(-p95)
	return at, !at.Before(q.m.AcceptedAt.Add(way+p95)) && at.Before(q.m.AcceptedAt.Add(q.terms.Wait))
}

// keepDeadline has a function answer a query whose record is missing, if the
// limits let it. It returns the record that is held then; false when there is none.
func (s *Service) keepDeadline(ctx context.Context, q *submission) (query.Record, bool) {
	l, err := s.limits.Take(ctx, s.overflowLimits(q.set), limits.Query{CostUSD: q.asks.FunctionUSD, Hold: q.hold()})
	if err != nil {
		return query.Record{}, false
	}
	m := q.m
	m.Trail = m.Trail.Add(query.Step{At: s.Now(), Event: query.StepPlaced, Where: m.Placement, Why: "no answer by the queue yet, and the bound is near"})
	got := s.Functions.Invoke(ctx, m)
	if l.Done(got.CostUSD) {
		s.limits.Flush(ctx)
	}
	if got.Outcome == nil || got.Outcome.State != query.Succeeded { // the queue's consumer decides
		return query.Record{}, false
	}
	held, won, err := s.Records.PutRecord(ctx, m.Ended(*got.Outcome))
	if err != nil {
		s.Log.Warn("an answer could not be stored; waiting for the queue's", "query", m.ID, "error", err)
		return query.Record{}, false
	}
	if won {
		s.Counts.Settled(held)
	}
	return held, true
}
