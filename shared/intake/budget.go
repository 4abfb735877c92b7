package intake

import (
	"errors"
	"math"
	"sync"
	"time"

	"paragon/shared/core/placement"
	"paragon/shared/core/pricing"
	"paragon/shared/core/query"
	"paragon/shared/core/rightsizing"
	"paragon/shared/core/settings"
)

// OverBudget refuses a query that the rest of the hour's budget does not cover.
const OverBudget Kind = "over-budget"

// spending is the hour's budget for inference functions, as this environment
// of the API spends it.
type spending struct {
	mu     sync.Mutex
	budget pricing.Budget
}

// book prices a query before it is accepted and takes the price off what
// hourly_budget_usd leaves for functions: the workers' hour comes first, as
// they are paid for whatever they do, and so a query that goes to them costs
// nothing more. It returns what was booked.
func (s *Service) book(p plan, c placement.Choice, now time.Time, set settings.Settings) (float64, error) {
	if set.HourlyBudgetUSD == 0 || c.Route != placement.ToOverflow {
		return 0, nil
	}
	usd := s.functionUSD(p, set)
	left := max(set.HourlyBudgetUSD-s.workersHourUSD(), math.SmallestNonzeroFloat64) // 0 would mean no limit
	s.spending.mu.Lock()
	defer s.spending.mu.Unlock()
	s.spending.budget.Limit(left)
	var over *pricing.OverBudget
	if err := s.spending.budget.Admit(now, usd); errors.As(err, &over) {
		r := refuse(OverBudget, "", "no worker has a slot in time, and a function would cost $%.8f where $%.8f are left of the hour's budget of $%g",
			over.QueryUSD, over.LeftUSD, set.HourlyBudgetUSD)
		r.RetryAfter = over.Until.Sub(now)
		return 0, r
	}
	return usd, nil
}

// unbook gives back what was booked for a query that was not taken after all.
func (s *Service) unbook(usd float64, now time.Time) {
	if usd == 0 {
		return
	}
	s.spending.mu.Lock()
	defer s.spending.mu.Unlock()
	s.spending.budget.Settle(now, usd, 0)
}

// functionUSD is what a query costs on the function that it would go to.
func (s *Service) functionUSD(p plan, set settings.Settings) float64 {
	if p.chosen.Resource.Kind == query.OnFunction {
		return p.chosen.PriceUSD
	}
	sizes := rightsizing.Memory(s.Catalogue, p.model, s.Arch, p.latencyMS-set.OverflowPathMS, 0)
	if len(sizes) == 0 {
		return 0 // none holds it: it will wait for a worker
	}
	return sizes[0].QueryUSD
}

// workersHourUSD is what the ready workers cost in an hour.
func (s *Service) workersHourUSD() float64 {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	usd := 0.0
	for _, p := range s.fleet.view.Pools {
		if in, ok := s.Catalogue.Instance(p.InstanceType); ok {
			usd += pricing.FleetHourUSD(in, p.Workers)
		}
	}
	return usd
}
