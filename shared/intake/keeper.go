package intake

import (
	"context"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A strict query that was sent to a queue depends on the queue, and on the dispatcher or a
// worker. The intake that holds its request keeps its deadline: when there is no record at the
// last moment at which a function can still answer in time, it invokes one itself.
// Both may run then; the first record is the answer. The same holds of a balancer whose
// target has not answered by that moment and does not answer at all.

// KeepAfter is after how long without an answer from elsewhere this process takes a
// request whose caller waits for the time waits: while a function still keeps the bound of a
// strict query that may overflow, and another worker that of any other; at the latest
// when the caller waits no longer. It is false for a request that is refused.
func (s *Service) KeepAfter(r Request, waits time.Duration) (time.Duration, bool) {
	set := s.Settings()
	p, err := s.plan(r, waits > 0, s.Now(), set, profile.Decoding{})
	if err != nil {
		return 0, false
	}
	afterMS, ok := 0.0, false
	if p.class == query.Strict && s.Functions != nil && set.MaxOverflowConcurrency > 0 {
		afterMS, ok = sizing.KeepAfter(s.catalogue(), p.model, s.Arch, p.need, p.latencyMS, set.OverflowPathMS)
	} else {
		afterMS, ok = sizing.PassOnAfter(s.catalogue(), p.model, p.pool.InstanceType, p.latencyMS, set.PathMS)
	}
	if !ok { // nothing is in time: the caller is answered as soon as it is owed that
		return waits, true
	}
	return min(waits, query.Duration(afterMS)), true
}

// keepAt returns when to invoke a function for a query that was sent to a queue; zero when
// none is to be: a bound that leaves no room for the usual way and a second run would have
// every query run twice.
func (s *Service) keepAt(q *submission) time.Time {
	if s.Functions == nil || q.class != query.Strict {
		return time.Time{}
	}
	afterMS, ok := sizing.KeepAfter(s.catalogue(), q.model, s.Arch, q.need, q.latencyMS, q.set.OverflowPathMS)
	if s.onWorkQueue(q) {
		ok = ok && q.ask.OverflowAllowed && afterMS > q.m.PredictedMS
	} else {
		ok = ok && q.m.Placement == string(platform.Overflow)
	}
	if !ok {
		return time.Time{}
	}
	return q.m.AcceptedAt.Add(query.Duration(afterMS))
}

// onWorkQueue reports whether a strict query was sent to the workers of its pool, which were
// expected to answer it at a time.
func (s *Service) onWorkQueue(q *submission) bool {
	return q.class == query.Strict && q.m.Placement == string(platform.WorkQueue(q.pool.Name, query.Strict)) && q.m.PredictedMS > 0 && !q.m.Pinned
}

// overdueAt is when the answer of a query that was sent to its pool's workers is overdue;
// zero of any other.
func (s *Service) overdueAt(q *submission) time.Time {
	if !s.onWorkQueue(q) {
		return time.Time{}
	}
	return q.m.AcceptedAt.Add(query.Duration(q.m.PredictedMS) + fleet.StallAfter)
}

// noteOverdue has this process rely on the query's pool no more until it moves again.
func (s *Service) noteOverdue(_ context.Context, q *submission) (query.Record, bool) {
	s.fleet.overdue(q.pool.Name, s.Now())
	return query.Record{}, false
}

// keepDeadline has a function answer a query whose record is missing, if the
// limits let it. It returns the record that is held then; false when there is none.
func (s *Service) keepDeadline(ctx context.Context, q *submission) (query.Record, bool) {
	if s.onWorkQueue(q) {
		s.fleet.overdue(q.pool.Name, s.Now())
	}
	r, ok, stored := s.invokeOrRead(ctx, q, "the queue has brought no answer yet, and the latency bound is near")
	if !ok { // the queue's consumer decides
		return stored, stored.ID != ""
	}
	held, won, err := s.Records.PutRecord(ctx, r)
	if err != nil {
		s.Log.Warn("could not store a function's answer; waiting for the answer through the queue", "query", q.m.ID, "error", err)
		return query.Record{}, false
	}
	if won {
		s.Counts.Settled(held)
	}
	return held, true
}

// invokeOrRead is invokeNow while the caller waits and the query has no record, which is
// then the last result: a function that hangs keeps no caller from the answer that another
// process has stored.
func (s *Service) invokeOrRead(ctx context.Context, q *submission, why string) (r query.Record, ok bool, stored query.Record) {
	ctx, cancel := context.WithTimeout(ctx, q.m.AcceptedAt.Add(q.terms.Wait).Sub(s.Now()))
	defer cancel()
	var reading sync.WaitGroup
	reading.Go(func() {
		if got, err := s.Records.AwaitRecord(ctx, q.m.ID); err == nil {
			stored = got
			cancel()
		}
	})
	r, ok = s.invokeNow(ctx, q, why)
	cancel()
	reading.Wait()
	return r, ok, stored
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

// fromOther has a function answer a strict query that another process held until the
// moment of KeepAfter. It is not done where no function answers, or its caller waits no
// longer: then it is placed as any other, late, and a relaxed one so that another worker
// gets it. Where the function hangs, it is a worker's.
func (s *Service) fromOther(ctx context.Context, q *submission) (Answer, bool, error) {
	if s.Functions == nil || q.class != query.Strict || !s.Now().Before(q.m.AcceptedAt.Add(q.terms.Wait)) {
		return Answer{}, false, nil
	}
	if err := s.identify(q, q.kind()); err != nil {
		return Answer{}, false, err
	}
	q.m.Placement = string(platform.Overflow)
	inTime, cancel := s.untilFunctionsHang(ctx, q)
	defer cancel()
	if r, ok := s.invokeNow(inTime, q, "the worker that held the request does not answer, and the latency bound is near"); ok {
		a, err := s.direct(ctx, q, r)
		return a, true, err
	}
	if ctx.Err() == nil && inTime.Err() != nil { // it may run still: no other is invoked
		s.leaveToWorker(q)
		s.returned(q, hangs)
		a, err := s.queue(ctx, q)
		return a, true, err
	}
	if !q.m.Stored() {
		q.m.ID = "" // nobody has seen it
	}
	return Answer{}, false, nil
}
