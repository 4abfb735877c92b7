package overflow

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/platform"
)

// limitsName is the name of the stage's limits on overflow in platform.Shared: all
// that lets queries overflow takes its leases there.
const limitsName = "overflow-limits"

// NewStageTaker returns a taker of leases from a stage's limits on overflow.
func NewStageTaker(store platform.Shared, now func() time.Time) *limits.Taker {
	return NewTaker(store, now, limitsName)
}

// NewTaker returns a taker of leases from the limits of a name.
func NewTaker(store platform.Shared, now func() time.Time, name string) *limits.Taker {
	return limits.NewTaker(limits.Options{
		Store: store, Name: name, Conflict: platform.ErrConflict, Now: now,
		Jitter: func(limit time.Duration) time.Duration { return rand.N(max(1, limit)) },
	})
}

// LimitsOf are the stage's limits on overflow now, by a view of the fleet. Workers come
// first in the budget, as they are paid for whatever they do. Where the last tick of
// this hour found it spent, as invoices come late, nothing is left.
//
// It charges workers for the whole clock hour (workersHourUSD), where the controller charges
// them for the rest of it (affordable in package decision), because the two divide different
// amounts. What functions have taken is counted from the start of the hour (package limits),
// so that the workers' part of the same hour has to come off. The controller instead divides
// what is left after all that was spent over the rest of the hour.
func LimitsOf(set settings.Settings, v platform.FleetView, c *profile.Catalogue, now time.Time) limits.Limits {
	l := limits.Limits{BudgetUSD: math.Inf(1), Concurrency: set.MaxOverflowConcurrency}
	if set.HourlyBudgetUSD <= 0 {
		return l
	}
	l.BudgetUSD = set.HourlyBudgetUSD
	hour := now.Truncate(time.Hour)
	for _, p := range v.Pools {
		if in, ok := c.Instance(p.InstanceType); ok {
			l.BudgetUSD -= workersHourUSD(in, p, hour)
		}
		if p.BudgetSpent(v.At, now) {
			l.BudgetUSD = 0
		}
	}
	l.BudgetUSD = max(0, l.BudgetUSD)
	return l
}

// workersHourUSD is what a pool's workers cost in a clock hour: those that are up for all of
// it, or, where it is more, as some have left, what all have cost until the last tick and
// those that are up or boot from then on.
func workersHourUSD(in profile.Instance, p placement.Pool, hour time.Time) float64 {
	usd := pricing.FleetHourUSD(in, p.Workers)
	if p.PaidTo.Truncate(time.Hour).Equal(hour) {
		rest := hour.Add(time.Hour).Sub(p.PaidTo).Hours()
		usd = max(usd, p.WorkersUSD+rest*pricing.FleetHourUSD(in, p.Workers+p.Booting+p.Suspended))
	}
	return usd
}

// Charger charges the stage's limits for queries that leave the work queues.
type Charger struct {
	Catalogue profile.CatalogueSource
	Arch      string // of the inference functions; empty means that there are none
	Settings  func() settings.Settings
	Limits    func(settings.Settings) limits.Limits // the stage's, now
	Taker     *limits.Taker
	Line      Line
	Now       func() time.Time
}

// May charges the limits for a query that is handed over to the functions, by their
// queue. It is false where they let no more, where functions would answer it after it
// expires, or where none holds the model.
func (c Charger) May(ctx context.Context, m query.Message) bool {
	set := c.Settings()
	catalogue := c.Catalogue.Current() // of which retired models are still run to their end
	model, ok := catalogue.ModelDecoding(m.Model, m.Input.Decoding)
	if !ok {
		return false
	}
	boundMS := query.Milliseconds(m.DeadlineAt.Sub(m.AcceptedAt))
	last, ok := sizing.LastResort(catalogue, model, c.Arch, m.Need, boundMS, set.OverflowPathMS)
	if !ok {
		return false
	}
	l, err := c.Taker.Take(ctx, c.Limits(set), limits.Query{
		CostUSD: last.Size.QueryUSD, Hold: query.Duration(set.OverflowPathMS+2*last.Size.P95MS) + time.Second,
	})
	if err != nil {
		return false
	}
	joined, costUSD := c.Line.Join(ctx, c.Now(), m.ExpiresAt, last.Size.P95MS, set.MaxOverflowConcurrency), 0.0
	if joined {
		costUSD = last.Size.QueryUSD
	}
	if l.Done(costUSD) {
		c.Taker.Flush(ctx)
	}
	return joined
}
