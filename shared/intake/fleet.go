package intake

import (
	"context"
	"errors"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/placement"
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
	estimates map[string]*placement.Estimate

	catalogue profile.CatalogueSource
}

func newFleetView(pools []Pool, c profile.CatalogueSource) *fleetView {
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
	f.view = *v
	for _, p := range v.Pools {
		if e := f.estimates[p.Name]; e != nil {
			e.See(p)
		}
	}
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
func (f *fleetView) rule(pool string, a placement.Ask) placement.Ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.estimates[pool].View()
	a.RelaxedOverflow, a.RelaxedAheadMS = v.RelaxedOverflow, v.RelaxedMS
	if v.NoStrictOverflow && a.Class == query.Strict {
		a.OverflowAllowed = false
	}
	return a
}

// sent counts a strict query that was sent to a pool as ahead of later ones, so
// that a burst sees itself.
func (f *fleetView) sent(pool string, now time.Time, serviceMS float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.estimates[pool].Sent(now, serviceMS)
}
