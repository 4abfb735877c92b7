package intake

import (
	"context"
	"errors"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/placement"
	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/core/settings"
)

// fleetView is the cached view of the pools, with an estimate a pool of the
// strict work ahead that follows what was sent since.
type fleetView struct {
	reading sync.Mutex // held while the view is read anew

	mu        sync.Mutex
	readAt    time.Time // zero until the first read
	view      cloud.View
	spending  pricing.Budget // booked for functions, since a tick told what is left of the hour
	estimates map[string]*placement.Estimate

	catalogue *profile.Catalogue
}

func newFleetView(pools []Pool, c *profile.Catalogue) *fleetView {
	f := &fleetView{estimates: make(map[string]*placement.Estimate, len(pools)), catalogue: c}
	for _, p := range pools {
		f.estimates[p.Name] = new(placement.Estimate)
	}
	return f
}

// refreshView reads the view anew when the cached one is older than view_seconds:
// in the background, unless there is none that its callers could go by.
func (s *Service) refreshView(ctx context.Context, set settings.Settings) {
	due := func() bool { _, due := s.fleet.due(s.Now(), set); return due }
	none, now := s.fleet.due(s.Now(), set)
	if now {
		s.refresh(ctx, &s.fleet.reading, none, due, s.readView)
	}
}

// readView reads the view.
func (s *Service) readView(ctx context.Context) {
	v, err := s.Fleet.View(ctx)
	if err != nil {
		if !errors.Is(err, cloud.ErrNotFound) { // none was published yet
			s.Log.Warn("the fleet view cannot be read; the last one stays in use", "error", err)
		}
		s.fleet.see(s.Now(), nil)
		return
	}
	s.fleet.see(s.Now(), &v)
}

// due tells whether the view is to be read again, and whether there is none to
// go by: it was never read, or so long ago that its workers count as gone, in a
// process that had nothing to do since.
func (f *fleetView) due(now time.Time, set settings.Settings) (none, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	none = f.readAt.IsZero() || now.Sub(f.readAt) > oldestView(set)
	keepMS := set.ViewSeconds * 1000
	if f.empty() {
		keepMS /= eagerness
	}
	return none, none || now.Sub(f.readAt) >= query.Duration(keepMS)
}

// eagerness is how many times as often a view without runners is read: a
// worker that has just come must not be passed over for a function.
const eagerness = 20

// empty tells whether no pool has runners, as far as is known.
func (f *fleetView) empty() bool {
	for _, e := range f.estimates {
		if e.Runners() > 0 {
			return false
		}
	}
	return true
}

// see takes a view; nil when it could not be read, which is tried again after
// view_seconds and not by every request.
func (f *fleetView) see(now time.Time, v *cloud.View) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readAt = now
	if v == nil {
		return
	}
	if tellsOtherwise(f.view, *v) {
		f.spending = pricing.Budget{}
	}
	f.view = *v
	for _, p := range v.Pools {
		if e := f.estimates[p.Name]; e != nil {
			e.See(p)
		}
	}
}

// tellsOtherwise tells whether a view comes with another remainder of the hour's
// budget: views are written many times a tick, and one that repeats a remainder
// knows nothing of what was booked against it meanwhile.
func tellsOtherwise(before, now cloud.View) bool {
	left := map[string]float64{}
	for _, p := range before.Pools {
		if p.BudgetLeftUSD != nil {
			left[p.Name] = *p.BudgetLeftUSD
		}
	}
	for _, p := range now.Pools {
		if last, known := left[p.Name]; p.BudgetLeftUSD != nil && (!known || last != *p.BudgetLeftUSD) {
			return true
		}
	}
	return false
}

// missedReports is how many heartbeats old a view may be before its workers
// count as gone: nobody looks after the fleet then, and a strict query that
// waited for it might wait for nothing.
const missedReports = 3

// oldestView is how old a view may be to go by.
func oldestView(set settings.Settings) time.Duration {
	return query.Duration(missedReports * set.HeartbeatSeconds * 1000)
}

// load returns the ready runners of a pool and the strict work ahead of a
// query that arrives now.
func (f *fleetView) load(pool string, now time.Time, set settings.Settings) (runners int, aheadMS float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loadLocked(pool, now, set)
}

func (f *fleetView) loadLocked(pool string, now time.Time, set settings.Settings) (int, float64) {
	e := f.estimates[pool]
	if now.Sub(e.View().At) > oldestView(set) {
		return 0, 0
	}
	return e.Runners(), e.AheadMS(now)
}

// rule holds what is asked to the rules of overflow in force.
func (f *fleetView) rule(pool string, a *placement.Ask) {
	v := f.estimates[pool].View()
	a.RelaxedOverflow, a.RelaxedAheadMS = v.RelaxedOverflow, v.RelaxedMS
	if v.NoStrictOverflow && a.Class == query.Strict {
		a.OverflowAllowed = false
	}
}

// placed is where a query goes and what was booked for it.
type placed struct {
	placement.Choice
	bookedUSD float64
}

// place chooses the route of a query over what is known of a pool and, in the
// same breath, books what it costs and counts a strict query sent to the pool
// as ahead of later ones, so that a burst sees itself.
func (f *fleetView) place(pool string, a placement.Ask, functionUSD float64, now time.Time, set settings.Settings) (placed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	runners, aheadMS := f.loadLocked(pool, now, set)
	f.rule(pool, &a)
	p, err := f.book(pool, a, functionUSD, now, set, func(a placement.Ask) placement.Choice { return placement.Place(a, runners, aheadMS) })
	if err == nil && a.Class == query.Strict && p.Route != placement.ToOverflow {
		f.estimates[pool].Sent(now, a.ServiceMS)
	}
	return p, err
}

// placeBeyond is place for a query for which a worker had no slot in time: it
// would have ended there in so many milliseconds.
func (f *fleetView) placeBeyond(pool string, a placement.Ask, endMS, functionUSD float64, now time.Time, set settings.Settings) (placed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule(pool, &a)
	return f.book(pool, a, functionUSD, now, set, func(a placement.Ask) placement.Choice { return placement.Beyond(a, endMS) })
}

// book chooses, and books what it costs. What the budget does not cover waits
// for a worker when it is relaxed and is refused when it is strict.
func (f *fleetView) book(pool string, a placement.Ask, functionUSD float64, now time.Time, set settings.Settings,
	choose func(placement.Ask) placement.Choice) (placed, error) {
	p := placed{Choice: choose(a)}
	if p.Route != placement.ToOverflow {
		return p, nil
	}
	switch over := f.admit(pool, functionUSD, now, set); {
	case over == nil:
		p.bookedUSD = functionUSD
	case a.Class == query.Strict:
		return placed{}, overBudget(over, now, set)
	default:
		a.OverflowAllowed = false
		p.Choice = choose(a)
	}
	return p, nil
}
