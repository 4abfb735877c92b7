package intake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/overflow"
)

// OverOwnerLimit refuses what is above a limit of its caller's own.
const OverOwnerLimit Kind = "over-owner-limit"

// owners are the callers with what they have used of their own limits.
//
// owner_rate is held by each process for itself: of N workers each lets twice an
// Nth through, as a balancer spreads one caller's requests unevenly. So the stage
// lets at most twice the rate through, and a single process exactly the rate. It
// costs no call. The other limits are exact, by leases from one shared value an
// owner, as the stage's own limits on overflow are (package limits): with a block
// in hand no call a query, and close to the limit up to 2.2 writes. Nothing is
// called while they are off.
type owners struct {
	rates    limits.Rates
	requests limits.Rates // as AdmitRequest counts
	mu       sync.Mutex
	of       map[string]*limits.Taker // by the name of their shared value
}

// mostOwners bounds the owners whose leases are kept in memory. For each one more, those of
// another are given back, and are taken anew when it comes again.
const mostOwners = 4096

// taker returns what takes leases by a name.
func (s *Service) taker(ctx context.Context, name string) *limits.Taker {
	o := &s.owners
	o.mu.Lock()
	t := o.of[name]
	var dropped *limits.Taker
	if t == nil {
		if len(o.of) >= mostOwners {
			dropped = o.dropAny()
		}
		if o.of == nil {
			o.of = map[string]*limits.Taker{}
		}
		t = overflow.NewTaker(s.Shared, s.Now, name)
		o.of[name] = t
	}
	o.mu.Unlock()
	if dropped != nil {
		dropped.Close(ctx)
	}
	return t
}

// dropAny forgets one that takes leases, and returns it.
func (o *owners) dropAny() *limits.Taker {
	for name, t := range o.of {
		delete(o.of, name)
		return t
	}
	return nil
}

// flushLeases gives back what the stage's and owners' leases hold and nobody uses.
func (s *Service) flushLeases(ctx context.Context) {
	for _, t := range s.takers() {
		t.Flush(ctx)
	}
}

// closeLeases gives back all that leases hold, at the end of a process.
func (s *Service) closeLeases(ctx context.Context) {
	for _, t := range s.takers() {
		t.Close(ctx)
	}
}

// takers are that of the stage's limits, and those of owners' that are kept.
func (s *Service) takers() []*limits.Taker {
	s.owners.mu.Lock()
	defer s.owners.mu.Unlock()
	return slices.AppendSeq([]*limits.Taker{s.limits}, maps.Values(s.owners.of))
}

// admitOwner holds a query to its owner's limits. What it returns is called with
// the answer.
func (s *Service) admitOwner(ctx context.Context, owner string, q *submission) (done func(Answer), err error) {
	if err := s.checkRate(owner, q.set); err != nil {
		return nil, err
	}
	l := limits.Limits{BudgetUSD: math.Inf(1), Concurrency: math.MaxInt32}
	if n := q.set.OwnerConcurrency; n > 0 {
		l.Concurrency = n
	}
	if usd := q.set.OwnerHourlyBudgetUSD; usd > 0 {
		l.BudgetUSD = usd
	}
	if l.Concurrency == math.MaxInt32 && math.IsInf(l.BudgetUSD, 1) {
		return func(Answer) {}, nil
	}
	t := s.taker(ctx, ownerName("owner", owner))
	lease, err := t.Take(ctx, l, limits.Query{CostUSD: q.chosen.PriceUSD, Hold: q.underWay()})
	switch {
	case err == nil:
		return func(a Answer) { s.settleOwner(ctx, t, lease, q, a) }, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("reserve a part of the caller's limits: %w", ctx.Err())
	case errors.Is(err, limits.ErrBudget):
		return nil, ownerLimit("owner_hourly_budget_usd", q.set.OwnerHourlyBudgetUSD, "USD per clock hour", untilNextHour(s.Now()))
	case errors.Is(err, limits.ErrConcurrency):
		return nil, ownerLimit("owner_concurrency", float64(q.set.OwnerConcurrency), "concurrent queries", time.Second)
	}
	s.Log.Warn("could not read a caller's limits; its query is accepted without them", "error", err)
	return func(Answer) {}, nil
}

// underWay is for how long a query may be under way: while its caller waits, or
// until its bound.
func (q *submission) underWay() time.Duration {
	return max(q.terms.Wait, query.Duration(q.latencyMS)) + time.Second
}

// settleOwner gives an owner's lease back with what its query cost. A query that
// goes on without its caller keeps its place until its bound, at its expected price.
// A repeat costs nothing: its query has the place that the first request took.
func (s *Service) settleOwner(ctx context.Context, t *limits.Taker, l *limits.Lease, q *submission, a Answer) {
	costUSD := 0.0
	switch r := a.Record; {
	case q.charged:
	case r.State == query.Accepted:
		l.Leave()
		return
	case r.Outcome != nil && r.AcceptedAt.Equal(q.m.AcceptedAt): // and no repeat of one that had ended
		costUSD = r.Outcome.CostUSD
	}
	if l.Done(costUSD) {
		t.Flush(context.WithoutCancel(ctx))
	}
}

// checkRate holds an owner's queries to owner_rate.
func (s *Service) checkRate(owner string, set settings.Settings) error {
	return s.takeRate(&s.owners.rates, owner, set, s.rateHere(set))
}

// takeRate takes one of what an owner may ask a second, where owner_rate is set.
func (s *Service) takeRate(of *limits.Rates, owner string, set settings.Settings, perSecond float64) error {
	if set.OwnerRate <= 0 {
		return nil
	}
	if wait, ok := of.Take(s.Now(), owner, perSecond); !ok {
		return overRate(set, wait)
	}
	return nil
}

// rateHere is the part of owner_rate that this process lets through.
func (s *Service) rateHere(set settings.Settings) float64 {
	if set.OwnerRate <= 0 || s.Worker == nil {
		return set.OwnerRate
	}
	return set.OwnerRate * 2 / float64(max(2, s.fleet.workers()))
}

func overRate(set settings.Settings, wait time.Duration) error {
	return ownerLimit("owner_rate", set.OwnerRate, "queries per second", wait)
}

// OverRate refuses a request of an owner who is at owner_rate: its queries would be
// refused once they are read, decoded and checked, which costs more than all the rest.
func (s *Service) OverRate(owner string) error {
	set := s.Settings()
	if set.OwnerRate <= 0 {
		return nil
	}
	if wait := s.owners.rates.Wait(s.Now(), owner, s.rateHere(set)); wait > 0 {
		return overRate(set, wait)
	}
	return nil
}

// AdmitRequest holds an owner's requests to owner_rate before they are read, in a process
// that stands before all others. Their queries count besides where they are taken in.
func (s *Service) AdmitRequest(owner string) error {
	set := s.Settings()
	return s.takeRate(&s.owners.requests, owner, set, set.OwnerRate)
}

// takePlace holds an owner to owner_uploads: each place counts for an hour.
func (s *Service) takePlace(ctx context.Context, owner string, set settings.Settings) error {
	if err := s.checkRate(owner, set); err != nil || set.OwnerUploads == 0 {
		return err
	}
	l := limits.Limits{BudgetUSD: math.Inf(1), Concurrency: set.OwnerUploads}
	lease, err := s.taker(ctx, ownerName("uploads", owner)).Take(ctx, l, limits.Query{Hold: time.Hour})
	switch {
	case errors.Is(err, limits.ErrConcurrency):
		return ownerLimit("owner_uploads", float64(set.OwnerUploads), "uploads per hour", time.Minute)
	case err != nil:
		return fmt.Errorf("count an upload towards the caller's hourly limit owner_uploads: %w", err)
	}
	lease.Leave()
	return nil
}

// ownerLimit is the refusal of what is above a setting.
func ownerLimit(setting string, bound float64, unit string, wait time.Duration) *Refusal {
	no := refuse(OverOwnerLimit, "", "the caller has reached the limit of the setting %s, %g %s", setting, bound, unit).withBound(bound)
	no.RetryAfter = max(wait, time.Millisecond)
	return no
}

// untilNextHour is the time until the next clock hour.
func untilNextHour(now time.Time) time.Duration {
	return now.Truncate(time.Hour).Add(time.Hour).Sub(now)
}

// workers is how many workers are ready, by the last view.
func (f *fleetView) workers() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.view.Pools {
		n += p.Workers
	}
	return n
}

// ownerName is the name of an owner's shared value of a kind.
func ownerName(kind, owner string) string { return fmt.Sprintf("%s-%x", kind, signed.HashOwner(owner)) }
