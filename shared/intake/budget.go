package intake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
)

// OverBudget refuses a query that the rest of the hour's budget does not cover.
const OverBudget Kind = "over-budget"

// limitsName is the name of the stage's limits on overflow in platform.Shared: all
// that lets queries overflow takes its leases there.
const limitsName = "overflow-limits"

// newLimits returns a taker of leases from a stage's limits on overflow.
func newLimits(store platform.Shared, now func() time.Time) *limits.Taker {
	return newTaker(store, now, limitsName)
}

// newTaker returns a taker of leases from the limits of a name.
func newTaker(store platform.Shared, now func() time.Time, name string) *limits.Taker {
	return limits.NewTaker(limits.Options{
		Store: store, Name: name, Conflict: platform.ErrConflict, Now: now,
		Jitter: func(limit time.Duration) time.Duration { return rand.N(max(1, limit)) },
	})
}

// leased is where a query goes, with the lease that lets it overflow.
type leased struct {
	placement.Choice
	lease *limits.Lease // nil unless it overflows
}

// withLease takes a lease for a choice that overflows. Without one the query
// does not overflow: it waits for a worker, late; a strict one that the budget
// does not cover is refused, as is one for which there is no worker.
func (s *Service) withLease(ctx context.Context, q *submission, c placement.Choice, choose func(placement.Ask) placement.Choice) (leased, error) {
	if c.Route != placement.ToOverflow || q.charged && !s.invokes(q) {
		return leased{Choice: c}, nil
	}
	l, err := s.limits.Take(ctx, s.overflowLimits(q.set), limits.Query{CostUSD: q.asks.FunctionUSD, Hold: q.hold()})
	switch {
	case err == nil:
		return leased{c, l}, nil
	case ctx.Err() != nil:
		return leased{}, fmt.Errorf("take a lease to overflow: %w", ctx.Err())
	case errors.Is(err, limits.ErrBudget) && q.class == query.Strict:
		return leased{}, overBudget(q, s.Now())
	case c.Reason == placement.NoWorkers && q.class == query.Strict:
		no := refuse(NoCapacity, "", "no worker is ready, and %v", err)
		no.RetryAfter = time.Second
		return leased{}, no
	}
	a := q.ask
	a.OverflowAllowed = false
	return leased{Choice: choose(a)}, nil
}

// invokes reports whether a query that overflows does so on a function at once,
// and not by a queue.
func (s *Service) invokes(q *submission) bool {
	return q.terms.Wait > 0 && s.Functions != nil && q.set.OverflowPath == "direct"
}

// hold is within what time a query that overflows has certainly left the
// functions: its place on them ends by itself then, should nobody return it.
func (q *submission) hold() time.Duration {
	return query.Duration(q.set.OverflowPathMS+2*q.chosen.LatencyMS) + time.Second
}

// MayOverflow charges the stage's limits for a query that a worker hands over to
// the functions, by their queue. It is false where they let no more.
func (s *Service) MayOverflow(ctx context.Context, m query.Message) bool {
	set := s.Settings()
	catalogue := s.Catalogue.Current() // of which retired models are still run to their end
	model, ok := catalogue.ModelDecoding(m.Model, m.Input.Decoding)
	if !ok {
		return false
	}
	boundMS := query.Milliseconds(m.DeadlineAt.Sub(m.AcceptedAt))
	last, ok := sizing.LastResort(catalogue, model, s.Arch, boundMS, set.OverflowPathMS)
	if !ok {
		return false
	}
	l, err := s.limits.Take(ctx, s.overflowLimits(set), limits.Query{
		CostUSD: last.Size.QueryUSD, Hold: query.Duration(set.OverflowPathMS+2*last.Size.P95MS) + time.Second,
	})
	if err != nil {
		return false
	}
	if l.Done(last.Size.QueryUSD) {
		s.limits.Flush(ctx)
	}
	return true
}

// overflowLimits are the stage's limits now. Workers come first in the budget,
// as they are paid for whatever they do. Where the last tick of this hour found
// it spent, as invoices come late, nothing is left.
func (s *Service) overflowLimits(set settings.Settings) limits.Limits {
	l := limits.Limits{BudgetUSD: math.Inf(1), Concurrency: set.MaxOverflowConcurrency}
	if set.HourlyBudgetUSD > 0 {
		workersUSD, spent := s.fleet.hour(s.Now())
		l.BudgetUSD = max(0, set.HourlyBudgetUSD-workersUSD)
		if spent {
			l.BudgetUSD = 0
		}
	}
	return l
}

// overBudget is the refusal of a query that only a function could answer in
// time and that the rest of the hour's budget does not cover.
func overBudget(q *submission, now time.Time) *Refusal {
	r := refuse(OverBudget, "", "no worker has a slot in time, and a function would cost $%.8f, which what is left of the hour's budget of $%g does not cover",
		q.asks.FunctionUSD, q.set.HourlyBudgetUSD)
	r.RetryAfter = untilNextHour(now)
	return r
}

// hour is what the ready workers cost in an hour, and whether the last tick
// found this clock hour's budget spent.
func (f *fleetView) hour(now time.Time) (workersUSD float64, spent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.view.Pools {
		if in, ok := f.catalogue.Current().Instance(p.InstanceType); ok {
			workersUSD += pricing.FleetHourUSD(in, p.Workers)
		}
		if left := p.BudgetLeftUSD; left != nil && *left <= 0 && f.view.At.Truncate(time.Hour).Equal(now.Truncate(time.Hour)) {
			spent = true
		}
	}
	return workersUSD, spent
}
