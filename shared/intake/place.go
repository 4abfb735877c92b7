package intake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
)

// NoCapacity refuses a query that nothing could answer in time.
const NoCapacity Kind = "no-capacity"

// place sends a query where it will be answered when this process has no slot
// for it: to a work queue, or to the inference functions.
func (s *Service) place(ctx context.Context, q *submission) (Answer, error) {
	_, span := s.Traces.Child(ctx, "place")
	to, err := s.route(ctx, q)
	span.Set("route", string(to.Route))
	span.Set("reason", string(to.Reason))
	span.End()
	if err != nil {
		return Answer{}, err
	}
	q.m.Placement = string(platform.WorkQueue(q.pool.Name, q.class))
	q.m.PredictedMS = 0 // when a worker will be ready is not known
	if to.PredictedMS > 0 {
		q.m.PredictedMS = to.PredictedMS + q.set.PathMS
	}
	if to.Route == placement.ToOverflow {
		q.m.Placement, q.m.PredictedMS = string(platform.Overflow), q.chosen.LatencyMS
	}
	q.m.Trail = q.m.Trail.Add(query.Step{At: s.Now(), Event: query.StepPlaced, Where: q.m.Placement, Why: to.String()})
	a, err := s.carryOut(ctx, q, to)
	to.leases.giveBack(ctx, costOf(a.Record, q.asks.FunctionUSD))
	return a, err
}

// costOf is what a query that was let onto the functions cost there. One that waits in
// the queue still, when its caller does not, is charged as expected.
func costOf(r query.Record, expectedUSD float64) float64 {
	switch o := r.Outcome; {
	case o == nil && r.State == query.Accepted:
		return expectedUSD
	case o != nil && o.RanOn.Kind != query.OnWorker:
		return o.CostUSD
	}
	return 0
}

// carryOut does what was chosen: late on this worker, on a function at once, or
// through a queue.
func (s *Service) carryOut(ctx context.Context, q *submission, to leased) (Answer, error) {
	switch {
	case q.terms.Wait > 0 && s.Worker != nil && q.class == query.Strict && to.Route != placement.ToOverflow:
		// Nothing is faster than this worker, late as it is.
		if a, done, err := s.onWorker(ctx, q, q.m.AcceptedAt.Add(q.terms.Wait)); done || err != nil {
			return a, err
		}
		s.fleet.sent(q.pool.Name, q.m.AcceptedAt, q.asks.WorkMS)
	case to.Route == placement.ToOverflow && s.invokes(q, to.Choice):
		a, done, err := s.onFunction(ctx, q)
		if done || err != nil {
			return a, err
		}
	}
	return s.queue(ctx, q)
}

// route chooses where a query goes that this process's worker has no slot for.
func (s *Service) route(ctx context.Context, q *submission) (leased, error) {
	now, direct := q.m.AcceptedAt, q.terms.Wait > 0 && s.Worker != nil
	q.ask = s.fleet.rule(q.pool.Name, q.ask, q.set.Scheme)
	runners, aheadMS := s.fleet.load(q.pool.Name, now, q.set)
	if runners == 0 && s.Worker != nil { // the view is older than this worker
		runners, aheadMS = s.Worker.Load()
	}
	if runners == 0 {
		q.ask.Absence = s.fleet.absence(q.pool.Name, now, q.set)
	}
	choose := func(a placement.Ask) placement.Choice { return placement.Place(a, runners, aheadMS) }
	if direct {
		// This worker is the one with the fewest requests: what it has no slot for
		// in time, the pool has none for.
		choose = func(a placement.Ask) placement.Choice { return placement.PlaceFromWorker(a, q.noSlotMS) }
	}
	route := func() placement.Choice {
		c := choose(q.ask)
		if s.reserves(q, c) {
			aheadMS = s.reserve(ctx, q, runners, aheadMS)
			c = choose(q.ask)
		}
		return c
	}
	choice := route()
	if !direct {
		choice = s.orInstead(q, choice, runners, aheadMS, route)
	}
	if choice.Route != placement.ToWork {
		q.share = s.shares.add(now, q.m.Owner)
	}
	to, err := s.withLease(ctx, q, choice, choose)
	if err == nil && to.Route != placement.ToOverflow && !q.charged {
		err = s.mayWait(ctx, q, to.Route, runners, now)
	}
	if err == nil && !direct && q.class == query.Strict && to.Route != placement.ToOverflow {
		s.fleet.sent(q.pool.Name, now, q.asks.WorkMS)
	}
	return to, err
}

// mayWait refuses a query that would wait on a work queue for nobody, or, late as it is
// anyway, until it expires.
func (s *Service) mayWait(ctx context.Context, q *submission, to placement.Route, runners int, now time.Time) error {
	if runners == 0 && !s.fleet.hasCapacity(q, now, q.m.ExpiresAt, 0) {
		return nobodyComes(q)
	}
	if all, _ := s.fleet.backlog(q.pool.Name, now); all == 0 || runners > 0 && to != placement.ToWait {
		return nil
	}
	// What others send counts in the view alone, and one of some seconds ago lets a crowd of
	// processes take in many times what there is room for. A query that is late has the time
	// for a newer one.
	ctx, cancel := context.WithTimeout(ctx, s.reserveTime)
	defer cancel()
	_, _ = s.views.Newest(ctx) // without it the last one stands
	all, aheadMS := s.fleet.backlog(q.pool.Name, now)
	if q.share.over && q.share.shared {
		aheadMS = s.fleet.sharedMS(q.pool.Name, aheadMS)
	}
	if s.fleet.hasCapacity(q, now, q.answeredBy(), aheadMS) {
		return nil
	}
	if all == 0 {
		return nobodyComes(q) // the newest view has no worker any more
	}
	waits := aheadMS / float64(all)
	return beyondCapacity(q, fmt.Sprintf("the queries ahead of this query take the workers %.0f s, and no function is free", waits/1000), query.Duration(waits)-q.answeredBy().Sub(now))
}

// answeredBy is until when a query can be answered at all to be taken in: until it expires.
// The owner who sends more than its share has half of that time, so that the others find
// room in the rest. While others use the stage, such an owner's strict query whose caller
// waits has its latency bound alone: it would be late, and holding and queueing it takes CPU
// time from the others' queries.
func (q *submission) answeredBy() time.Time {
	keeps := q.m.ExpiresAt.Sub(q.m.AcceptedAt)
	switch {
	case q.share.crowds() && q.class == query.Strict && q.terms.Wait > 0:
		return q.m.DeadlineAt
	case q.share.over:
		keeps /= 2
	}
	return q.m.AcceptedAt.Add(keeps)
}

// beyondCapacity is the refusal of a query that neither a worker nor a function would answer in
// time: for its owner's share of them, where others use the stage too.
func beyondCapacity(q *submission, why string, wait time.Duration) *Refusal {
	kind := NoCapacity
	if q.share.crowds() {
		kind, why = OverOwnerLimit, "the caller sends more queries than its share of the stage's capacity: "+why
	}
	no := refuse(kind, "", "%s", why)
	no.RetryAfter = max(wait, time.Second)
	return no
}

// nobodyComes is the refusal of a query that may not overflow and would wait on a
// work queue that no worker reads before it expires. It counts as an arrival, so
// that the next tick may launch a worker.
func nobodyComes(q *submission) *Refusal {
	none := "is ready or will be ready in time"
	if q.set.Fleet == settings.FleetFixed {
		none = "is ready, and the controller starts none (the setting fleet is fixed)"
	}
	why := q.ask.OverflowOff
	if why == "" && q.class == query.Relaxed && !q.ask.RelaxedOverflow {
		why = "scheme " + q.set.Scheme + " sends no relaxed query to functions at present"
	}
	if why != "" {
		why = ": " + why
	}
	no := refuse(NoCapacity, "", "no worker of pool %s %s, and the query may not run on a function%s", q.pool.Name, none, why)
	no.RetryAfter = query.Duration(q.set.TickSeconds * 1000)
	return no
}

// onFunction has a function answer a query that its caller waits for. It is not
// done when every invocation was refused and the queue may still bring it there
// in time, and when the function hangs: then it is a worker's.
func (s *Service) onFunction(ctx context.Context, q *submission) (Answer, bool, error) {
	if err := s.identify(q, q.kind()); err != nil {
		return Answer{}, false, err
	}
	inTime, cancel := s.untilFunctionsHang(ctx, q)
	defer cancel()
	got := s.Functions.Invoke(inTime, q.m)
	if got.Unanswerable() && s.leaveTrial(q, got.Failure()) {
		got = s.Functions.Invoke(inTime, q.m).After(got)
	}
	switch {
	case got.Outcome != nil:
		a, err := s.direct(ctx, q, q.m.Ended(*got.Outcome))
		return a, true, err
	case ctx.Err() != nil:
		return Answer{}, false, fmt.Errorf("invoke a function: %w", ctx.Err())
	case got.Thrown == inference.InDoubt && inTime.Err() != nil: // a worker may still answer it
		s.leaveToWorker(q)
		got.Why = hangs
	case got.Thrown == inference.InDoubt: // it may have run: it is not run again
		a, err := s.direct(ctx, q, q.m.Ended(query.Outcome{
			State: query.Failed, FinishedAt: s.Now(), Attempts: got.Attempts, CostUSD: got.CostUSD,
			Failure: &query.Failure{Code: query.ModelFault, Detail: "the function's answer was lost: " + got.Why},
		}))
		return a, true, err
	case got.Thrown == inference.Throttled && q.class == query.Strict && !s.queueInTime(q):
		no := refuse(NoCapacity, "", "no worker has a free slot in time, and Lambda throttled every function: the account's concurrency is used up")
		no.RetryAfter = time.Second
		return Answer{}, false, no
	case got.Thrown != inference.Throttled: // no function answers it: a worker may, late
		s.leaveToWorker(q)
	}
	q.m.Attempts = got.Attempts
	s.returned(q, got.Why)
	return Answer{}, false, nil
}

// hangs is why a query comes back from a function that does not answer.
const hangs = "the function has not answered, and counts as hung"

// leaveToWorker has a query go to its pool's work queue, whose workers may not hand it over
// again.
func (s *Service) leaveToWorker(q *submission) {
	q.m.Placement, q.m.Pinned = string(platform.WorkQueue(q.pool.Name, q.class)), true
}

// returned notes that functions have not answered a query, and why.
func (s *Service) returned(q *submission, why string) {
	q.m.Trail = q.m.Trail.Add(query.Step{At: s.Now(), Event: query.StepReturned, Where: q.m.Placement, Why: why})
	if !q.m.Stored() {
		q.m.ID = "" // nobody has seen it
	}
}

// untilFunctionsHang returns a context that ends when functions that have not answered a
// query by then count as hung, so that they hold neither the query nor its caller. Without
// workers nothing else answers it: then they have at least as long as the caller waits.
func (s *Service) untilFunctionsHang(ctx context.Context, q *submission) (context.Context, context.CancelFunc) {
	now := s.Now()
	wait := query.Duration(sizing.FunctionHangsAfterMS(s.catalogue(), q.model, s.Arch))
	if runners, _ := s.fleet.load(q.pool.Name, now, q.set); runners == 0 && s.Worker == nil {
		wait = max(wait, q.m.AcceptedAt.Add(q.terms.Wait).Sub(now))
	}
	return context.WithTimeout(ctx, min(wait, q.m.HalfLeft(now)))
}

// queueInTime reports whether the overflow queue can still bring a query to a
// function in time.
func (s *Service) queueInTime(q *submission) bool {
	return query.Milliseconds(q.m.DeadlineAt.Sub(s.Now())) > q.set.OverflowPathMS
}

// queue sends a query to its queue and waits for its record as long as its
// caller does.
func (s *Service) queue(ctx context.Context, q *submission) (Answer, error) {
	if err := s.identify(q, signed.Stored); err != nil {
		return Answer{}, err
	}
	if q.m.Keyed {
		if r, there, err := s.answered(ctx, q.m.ID); err != nil {
			return Answer{}, err
		} else if there {
			return s.answerWith(q, r)
		}
	}
	if err := s.send(ctx, q.m); err != nil {
		return Answer{}, err
	}
	return s.await(ctx, q)
}

// send puts a query's message on its queue: with that it is accepted.
func (s *Service) send(ctx context.Context, m query.Message) error {
	ctx, span := s.Traces.Child(ctx, "send")
	defer span.End()
	span.Set("queue", m.Placement)
	m.Trace = s.Traces.Carry(ctx)
	m, err := s.handOver(ctx, m)
	if err != nil {
		return err
	}
	if err := platform.OweCallback(ctx, s.CallbackQueue, m); err != nil {
		return err
	}
	if err := s.Queues.Send(ctx, platform.QueueName(m.Placement), m); err != nil {
		return fmt.Errorf("send query %s: %w", m.ID, err)
	}
	return nil
}

// await waits for the record of a query that was sent, and owes a 202 when it
// does not come in time.
func (s *Service) await(ctx context.Context, q *submission) (Answer, error) {
	r, waited := accepted(q.m), true
	for _, m := range s.moments(q) {
		var err error
		if r, waited, err = s.Wait(ctx, r, m.at.Sub(s.Now())); err != nil {
			return Answer{Record: r}, err
		}
		if !waited || r.State.Terminal() {
			break
		}
		if held, ok := m.do(ctx, q); ok {
			return s.answerWith(q, held)
		}
	}
	if r.State.Terminal() {
		if q.class == query.Strict && r.Outcome != nil && r.Outcome.RanOn.Kind == query.OnWorker {
			s.fleet.answered(q.pool.Name, s.Now())
		}
		return s.answerWith(q, r)
	}
	return Answer{Record: r, Busy: !waited}, s.owe(ctx, q)
}

// moment is what is done for a query that was sent when there is no record of it by then.
// It may return the record that is held afterwards.
type moment struct {
	at time.Time
	do func(context.Context, *submission) (query.Record, bool)
}

// moments are those of a query, the soonest first, and the end of its caller's wait.
func (s *Service) moments(q *submission) []moment {
	until := moment{q.m.AcceptedAt.Add(q.terms.Wait), func(context.Context, *submission) (query.Record, bool) { return query.Record{}, false }}
	out := []moment{until}
	for _, m := range []moment{{s.keepAt(q), s.keepDeadline}, {s.overdueAt(q), s.noteOverdue}} {
		if !m.at.IsZero() && m.at.Before(until.at) {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b moment) int { return a.at.Compare(b.at) })
	return out
}

// accepted is a query that was sent and has no record yet.
func accepted(m query.Message) query.Record {
	r := m.Ended(query.Outcome{State: query.Accepted})
	r.Outcome = nil
	return r
}
