package intake

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A query that overflows by the queue depends on the queue and the dispatcher. The
// intake that holds its request keeps its deadline: when there is no record at the
// last moment at which a function can still answer in time, it invokes one itself.
// Both may run then; the first record is the answer. The same holds of a balancer whose
// target has not answered by that moment and does not answer at all.

// KeepAfter is after how long without an answer from elsewhere this process answers a
// request that is held for that long, by a function. It is false for one of which that
// is not asked: a relaxed one, or one whose bound leaves no room for it.
func (s *Service) KeepAfter(r Request, held time.Duration) (time.Duration, bool) {
	set := s.Settings()
	if s.Functions == nil || set.MaxOverflowConcurrency == 0 {
		return 0, false
	}
	p, err := s.plan(r, true, s.Now(), set, profile.Decoding{})
	if err != nil || p.class != query.Strict {
		return 0, false
	}
	afterMS, ok := sizing.KeepAfter(s.catalogue(), p.model, s.Arch, p.latencyMS, set.OverflowPathMS)
	after := query.Duration(afterMS)
	return after, ok && after < held
}

// keepAt returns when to invoke a function for a query that was sent to the
// overflow queue, and whether it is to be at all: a bound that leaves no room for
// the queue's way and a second run would have every query run twice.
func (s *Service) keepAt(q *submission) (time.Time, bool) {
	if s.Functions == nil || q.class != query.Strict || q.m.Placement != string(platform.Overflow) {
		return time.Time{}, false
	}
	afterMS, ok := sizing.KeepAfter(s.catalogue(), q.model, s.Arch, q.latencyMS, q.set.OverflowPathMS)
	after := query.Duration(afterMS)
	return q.m.AcceptedAt.Add(after), ok && after < q.terms.Wait
}

// keepDeadline has a function answer a query whose record is missing, if the
// limits let it. It returns the record that is held then; false when there is none.
func (s *Service) keepDeadline(ctx context.Context, q *submission) (query.Record, bool) {
	r, ok := s.invokeNow(ctx, q, "no answer by the queue yet, and the bound is near")
	if !ok { // the queue's consumer decides
		return query.Record{}, false
	}
	held, won, err := s.Records.PutRecord(ctx, r)
	if err != nil {
		s.Log.Warn("an answer could not be stored; waiting for the queue's", "query", q.m.ID, "error", err)
		return query.Record{}, false
	}
	if won {
		s.Counts.Settled(held)
	}
	return held, true
}

// invokeNow has a function answer a query at once, if the limits let it; false without
// an answer.
func (s *Service) invokeNow(ctx context.Context, q *submission, why string) (query.Record, bool) {
	l, err := s.limits.Take(ctx, s.overflowLimits(q.set), limits.Query{CostUSD: q.asks.FunctionUSD, Hold: q.hold()})
	if err != nil {
		return query.Record{}, false
	}
	m := q.m
	m.Trail = m.Trail.Add(query.Step{At: s.Now(), Event: query.StepPlaced, Where: m.Placement, Why: why})
	got := s.Functions.Invoke(ctx, m)
	if l.Done(got.CostUSD) {
		s.limits.Flush(ctx)
	}
	if got.Outcome == nil || got.Outcome.State != query.Succeeded {
		return query.Record{}, false
	}
	return m.Ended(*got.Outcome), true
}

// fromOther answers a query that another process held until the moment of KeepAfter. It is
// not done where no function answers: then it is placed as any other, late.
func (s *Service) fromOther(ctx context.Context, q *submission) (Answer, bool, error) {
	if s.Functions == nil || q.class != query.Strict {
		return Answer{}, false, nil
	}
	if err := s.identify(q, q.kind()); err != nil {
		return Answer{}, false, err
	}
	q.m.Placement = string(platform.Overflow)
	if r, ok := s.invokeNow(ctx, q, "the worker that held the request does not answer, and the bound is near"); ok {
		a, err := s.direct(ctx, q, r)
		return a, true, err
	}
	if !q.m.Stored() {
		q.m.ID = "" // nobody has seen it
	}
	return Answer{}, false, nil
}
