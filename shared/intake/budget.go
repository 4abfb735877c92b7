package intake

import (
	"errors"
	"math"
	"time"

	"paragon/shared/core/pricing"
	"paragon/shared/core/settings"
)

// OverBudget refuses a query that the rest of the hour's budget does not cover.
const OverBudget Kind = "over-budget"

// overBudget is the refusal of a query that only a function could answer in
// time and that the rest of the hour's budget does not cover.
func overBudget(over *pricing.OverBudget, now time.Time, set settings.Settings) *Refusal {
	r := refuse(OverBudget, "", "no worker has a slot in time, and a function would cost $%.8f where $%.8f are left of the hour's budget of $%g",
		over.QueryUSD, over.LeftUSD, set.HourlyBudgetUSD)
	r.RetryAfter = over.Until.Sub(now)
	return r
}

// admit prices a query for a function against what is left of the hour and
// books it, or books nothing and tells what is missing.
func (f *fleetView) admit(pool string, usd float64, now time.Time, set settings.Settings) *pricing.OverBudget {
	f.spending.Limit(f.limitUSD(pool, now, set))
	var over *pricing.OverBudget
	errors.As(f.spending.Admit(now, usd), &over)
	return over
}

// limitUSD is what functions may cost until the next tick: what the last one
// left of this clock hour, as it knows what the whole stage spent. Without its
// word it is what the workers' hour leaves of the budget: they come first, as
// they are paid for whatever they do. 0 means no limit.
func (f *fleetView) limitUSD(pool string, now time.Time, set settings.Settings) float64 {
	if set.HourlyBudgetUSD == 0 {
		return 0
	}
	left := set.HourlyBudgetUSD - f.workersHourUSD()
	v := f.estimates[pool].View()
	if told := v.BudgetLeftUSD; told != nil && v.At.Truncate(time.Hour).Equal(now.Truncate(time.Hour)) {
		left = *told
	}
	return max(left, math.SmallestNonzeroFloat64)
}

// unbook gives back what was booked for a query that was not taken after all.
func (f *fleetView) unbook(usd float64, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spending.Settle(now, usd, 0)
}

// workersHourUSD is what the ready workers cost in an hour.
func (f *fleetView) workersHourUSD() float64 {
	usd := 0.0
	for _, p := range f.view.Pools {
		if in, ok := f.catalogue.Instance(p.InstanceType); ok {
			usd += pricing.FleetHourUSD(in, p.Workers)
		}
	}
	return usd
}
