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
	reading sync.Mutex // held by the one request that reads the view anew

	mu        sync.Mutex
	readAt    time.Time // zero until the first read
	view      cloud.View
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

// refreshView reads the view anew when the cached one is older than
// view_seconds. One request reads; the others go on with what is cached, save
// at the very start, when there is nothing to go on with.
func (s *Service) refreshView(ctx context.Context, set settings.Settings) {
	f := s.fleet
	never, due := f.due(s.Now(), set)
	if !due {
		return
	}
	if never {
		f.reading.Lock()
	} else if !f.reading.TryLock() {
		return
	}
	defer f.reading.Unlock()
	if _, due := f.due(s.Now(), set); !due {
		return
	}
	v, err := s.Fleet.View(ctx)
	if err != nil {
		if !errors.Is(err, cloud.ErrNotFound) { // none was published yet
			s.Log.Warn("the fleet view cannot be read; the last one stays in use", "error", err)
		}
		f.see(s.Now(), nil)
		return
	}
	f.see(s.Now(), &v)
}

func (f *fleetView) due(now time.Time, set settings.Settings) (never, due bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	never = f.readAt.IsZero()
	keepMS := set.ViewSeconds * 1000
	if f.empty() {
		keepMS /= eagerness
	}
	return never, never || now.Sub(f.readAt) >= query.Duration(keepMS)
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

// load returns the ready runners of a pool and the strict work ahead of a
// query that arrives now.
func (f *fleetView) load(pool string, now time.Time, set settings.Settings) (runners int, aheadMS float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loadLocked(pool, now, set)
}

func (f *fleetView) loadLocked(pool string, now time.Time, set settings.Settings) (int, float64) {
	e := f.estimates[pool]
	oldest := query.Duration(missedReports * set.HeartbeatSeconds * 1000)
	if now.Sub(e.View().At) > oldest {
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
