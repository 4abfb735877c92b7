package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/overflow"
)

// OverBudget refuses a query that the rest of the hour's budget does not cover.
const OverBudget Kind = "over-budget"

// leased is where a query goes, with the lease that lets it overflow.
type leased struct {
	placement.Choice
	lease *limits.Lease // nil unless it overflows
}

// withLease takes a lease for a choice that overflows. Without one the query
// does not overflow: it waits for a worker, late; a strict one that the budget
// does not cover is refused, as is one for which there is no worker.
func (s *Service) withLease(ctx context.Context, q *submission, c placement.Choice, choose func(placement.Ask) placement.Choice) (leased, error) {
	if c.Route != placement.ToOverflow || q.charged && !s.invokes(q, c) {
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
func (s *Service) invokes(q *submission, c placement.Choice) bool {
	path := pricing.OverflowPath(q.set.OverflowPath).With(c.Reason != placement.NoWorkers)
	return q.terms.Wait > 0 && s.Functions != nil && path == pricing.OverflowDirect
}

// hold is within what time a query that overflows has certainly left the
// functions: its place on them ends by itself then, should nobody return it.
func (q *submission) hold() time.Duration {
	return query.Duration(q.set.OverflowPathMS+2*q.chosen.LatencyMS) + time.Second
}

// MayOverflow charges the stage's limits for a query that a worker hands over to
// the functions, by their queue. It is false where they let no more.
func (s *Service) MayOverflow(ctx context.Context, m query.Message) bool {
	return overflow.Charger{Catalogue: s.Catalogue, Arch: s.Arch, Settings: s.Settings, Limits: s.overflowLimits, Taker: s.limits}.May(ctx, m)
}

// overflowLimits are the stage's limits now.
func (s *Service) overflowLimits(set settings.Settings) limits.Limits {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	return overflow.LimitsOf(set, s.fleet.view, s.Catalogue.Current(), s.Now())
}

// overBudget is the refusal of a query that only a function could answer in
// time and that the rest of the hour's budget does not cover.
func overBudget(q *submission, now time.Time) *Refusal {
	r := refuse(OverBudget, "", "no worker has a slot in time, and a function would cost $%.8f, which what is left of the hour's budget of $%g does not cover",
		q.asks.FunctionUSD, q.set.HourlyBudgetUSD)
	r.RetryAfter = untilNextHour(now)
	return r
}
