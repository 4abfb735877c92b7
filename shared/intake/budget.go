package intake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/overflow"
)

// OverBudget refuses a query that the rest of the hour's budget does not cover.
const OverBudget Kind = "over-budget"

// leased is where a query goes, with the leases that let it overflow.
type leased struct {
	placement.Choice
	leases onFunctions // none unless it overflows
}

// onFunctions are the leases of one query that overflows: of the stage's limits, and of
// the places for owners who send more than their share. The zero value is none.
type onFunctions struct {
	stage, crowd   *limits.Lease
	stages, crowds *limits.Taker
}

// giveBack returns the leases, with what the query cost.
func (l onFunctions) giveBack(ctx context.Context, costUSD float64) {
	if l.stage != nil && l.stage.Done(costUSD) {
		l.stages.Flush(ctx)
	}
	if l.crowd != nil && l.crowd.Done(0) {
		l.crowds.Flush(ctx)
	}
}

// crowdName is the name of the places for owners who send more than their share.
const crowdName = "overflow-crowd"

// errLine says that functions would answer a query too late.
var errLine = errors.New("functions would be busy with earlier queries until this query expires")

// take takes what lets a query overflow. Its owner, if that one sends more than its share
// and others overflow too, has three quarters of the places at most, so that the others
// find one. A query whose caller does not wait joins the line of the overflow queue, as
// nobody holds its place until it ends.
func (s *Service) take(ctx context.Context, q *submission) (l onFunctions, err error) {
	of, wants := s.overflowLimits(q.set), limits.Query{CostUSD: q.asks.FunctionUSD, Hold: q.hold()}
	if n := of.Concurrency; q.share.crowds() && n > 1 {
		l.crowds = s.taker(ctx, crowdName)
		if l.crowd, err = l.crowds.Take(ctx, limits.Limits{BudgetUSD: math.Inf(1), Concurrency: n - max(1, n/4)}, limits.Query{Hold: wants.Hold}); err != nil {
			return onFunctions{}, err
		}
	}
	l.stages = s.limits
	if l.stage, err = s.limits.Take(ctx, of, wants); err == nil && q.terms.Wait == 0 && !s.joinsLine(ctx, q) {
		err = errLine
	}
	if err != nil {
		l.giveBack(ctx, 0)
		return onFunctions{}, err
	}
	return l, nil
}

// joinsLine has a query join the line of the overflow queue, if functions answer it in time.
func (s *Service) joinsLine(ctx context.Context, q *submission) bool {
	last, ok := sizing.LastResort(s.catalogue(), q.model, s.Arch, q.need, q.latencyMS, q.set.OverflowPathMS)
	return !ok || overflow.Line{Shared: s.Shared}.Join(ctx, s.Now(), q.answeredBy(), last.Size.P95MS, q.set.MaxOverflowConcurrency)
}

// withLease takes leases for a choice that overflows. Without them the query
// does not overflow: it waits for a worker, late; a strict one that the budget
// does not cover is refused, as is one for which there is no worker.
func (s *Service) withLease(ctx context.Context, q *submission, c placement.Choice, choose func(placement.Ask) placement.Choice) (leased, error) {
	if c.Route != placement.ToOverflow || q.charged && !s.invokes(q, c) {
		return leased{Choice: c}, nil
	}
	l, err := s.take(ctx, q)
	switch {
	case err == nil:
		return leased{c, l}, nil
	case ctx.Err() != nil:
		return leased{}, fmt.Errorf("take a lease to overflow: %w", ctx.Err())
	case errors.Is(err, limits.ErrBudget) && q.class == query.Strict:
		return leased{}, overBudget(q, s.Now())
	case c.Reason.Absent() && q.class == query.Strict:
		return leased{}, beyondCapacity(q, fmt.Sprintf("%s, and %v", c, err), time.Second)
	}
	a := q.ask
	a.OverflowAllowed, a.OverflowOff = false, err.Error()
	return leased{Choice: choose(a)}, nil
}

// invokes reports whether a query that overflows does so on a function at once,
// and not by a queue.
func (s *Service) invokes(q *submission, c placement.Choice) bool {
	if q.terms.Wait <= 0 || s.Functions == nil {
		return false
	}
	path := pricing.OverflowPath(q.set.OverflowPath).With(!c.Reason.Absent(), s.tooSlowByQueue(q))
	return path == pricing.OverflowDirect
}

// tooSlowByQueue reports whether a warm function, the fastest where none is in time
// by the queue, is in time only without it.
func (s *Service) tooSlowByQueue(q *submission) bool {
	last, ok := sizing.LastResort(s.catalogue(), q.model, s.Arch, q.need, q.latencyMS, q.set.OverflowPathMS)
	return ok && sizing.TooSlowByQueue(q.latencyMS, last.Size.P95MS, q.set.PathMS, q.set.OverflowPathMS)
}

// hold is within what time a query that overflows has certainly left the
// functions: its place on them ends by itself then, should nobody return it.
func (q *submission) hold() time.Duration {
	return query.Duration(q.set.OverflowPathMS+2*q.chosen.LatencyMS) + time.Second
}

// MayOverflow charges the stage's limits for a query that a worker hands over to
// the functions, by their queue. It is false where they let no more.
func (s *Service) MayOverflow(ctx context.Context, m query.Message) bool {
	return overflow.Charger{Catalogue: s.Catalogue, Arch: s.Arch, Settings: s.Settings, Limits: s.overflowLimits, Taker: s.limits,
		Line: overflow.Line{Shared: s.Shared}, Now: s.Now}.May(ctx, m)
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
	r := refuse(OverBudget, "", "no worker has a free slot in time, and a function would cost $%.8f, which is more than the rest of the stage's budget of $%g for this hour",
		q.asks.FunctionUSD, q.set.HourlyBudgetUSD)
	r.RetryAfter = untilNextHour(now)
	return r
}
