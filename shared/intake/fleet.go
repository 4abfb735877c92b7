package intake

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/cache"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
)

// fleetView is the last view of the pools, with an estimate a pool of the
// strict work ahead that follows what was sent since.
type fleetView struct {
	mu        sync.Mutex
	view      platform.FleetView
	estimates map[string]*workload.Estimate
	stalls    map[string]*fleet.Stall // by pool, as this process has seen

	catalogue profile.CatalogueSource
	answers   func(pool string) bool
}

func newFleetView(pools []Pool, c profile.CatalogueSource, answers func(pool string) bool) *fleetView {
	f := &fleetView{estimates: make(map[string]*workload.Estimate, len(pools)), stalls: make(map[string]*fleet.Stall, len(pools)), catalogue: c, answers: answers}
	for _, p := range pools {
		f.estimates[p.Name], f.stalls[p.Name] = new(workload.Estimate), new(fleet.Stall)
	}
	return f
}

// refreshTime bounds one read of what is cached.
const refreshTime = 5 * time.Second

// newViews caches the fleet view for view_seconds. A process that had nothing to
// do until the workers of its view count as gone waits for a new one.
func (s *Service) newViews() *cache.Cache[platform.FleetView] {
	return cache.New(cache.Options[platform.FleetView]{
		Fetch: s.readView, Timeout: refreshTime, Now: s.Now,
		TTL:    func(platform.FleetView) time.Duration { return s.fleet.keep(s.Settings()) },
		MaxAge: func() time.Duration { return fleet.SilentAfter(s.Settings()) },
	})
}

// refreshView has the view read anew when it is time to. What cannot be read
// leaves the last view in use until it is too old.
func (s *Service) refreshView(ctx context.Context) { _, _ = s.views.Get(ctx) }

// readView reads the view.
func (s *Service) readView(ctx context.Context) (platform.FleetView, error) {
	v, err := s.Fleet.View(ctx)
	switch {
	case errors.Is(err, platform.ErrNotFound): // none was published yet
		return v, nil
	case err != nil:
		s.Log.Warn("could not read the fleet view, the controller's summary of workers and queues; the last one stays in use", "error", err)
		return v, err
	}
	s.fleet.update(v)
	if s.Viewed != nil {
		s.Viewed(ctx, v)
	}
	return v, nil
}

// keep is for how long a view is fresh. While a worker is on its way it is read
// often: one that has just come must not be passed over for a function. While none
// is, none can come within a fraction of the time that a machine takes to boot.
func (f *fleetView) keep(set settings.Settings) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.empty() {
		return query.Duration(set.ViewSeconds * 1000)
	}
	eager := query.Duration(set.ViewSeconds * 1000 / eagerness)
	if f.expected() {
		return eager
	}
	return max(eager, min(query.Duration(f.bootSeconds(set)*1000/bootParts), fleet.SilentAfter(set)/2))
}

// bootSeconds is the least time in which a pool's next worker serves.
func (f *fleetView) bootSeconds(set settings.Settings) float64 {
	least := set.VMBootSeconds
	for _, e := range f.estimates {
		least = min(least, set.NextBootSeconds(e.View().Warm))
	}
	return least
}

const (
	// eagerness is how many times as often a view is read while a worker boots.
	eagerness = 20
	// bootParts is what part of a boot a view without workers is good for.
	bootParts = 4
)

// expected reports whether a worker is on its way, or nothing is known of any.
func (f *fleetView) expected() bool {
	for _, e := range f.estimates {
		if v := e.View(); v.Booting > 0 || v.At.IsZero() {
			return true
		}
	}
	return false
}

// empty reports whether no pool has runners, as far as is known.
func (f *fleetView) empty() bool {
	for _, e := range f.estimates {
		if e.Runners() > 0 {
			return false
		}
	}
	return true
}

// withheld are the models that the last view withholds. The map is not changed.
func (f *fleetView) withheld() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view.Withheld
}

// update takes a view.
func (f *fleetView) update(v platform.FleetView) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.view = v
	for _, p := range v.Pools {
		if e := f.estimates[p.Name]; e != nil {
			e.Observe(p)
		}
	}
}

// lines is over how many lines the strict work for the given number of runners is spread.
func (f *fleetView) lines(runners int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return lines(f.view.Traffic, runners)
}

// load returns the ready runners of a pool and the strict work ahead of a
// query that arrives now.
func (f *fleetView) load(pool string, now time.Time, set settings.Settings) (runners int, aheadMS float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loadLocked(pool, now, set)
}

func (f *fleetView) loadLocked(pool string, now time.Time, set settings.Settings) (int, float64) {
	if f.unreliedLocked(pool, now, set) != "" {
		return 0, 0 // nobody looks after the fleet: who waited for it might wait for nothing
	}
	return f.backlogLocked(pool, now)
}

// backlog returns the runners of a pool that count as ready and the strict work ahead of a
// query that arrives now, also where they are not relied on: what was sent to them is
// theirs all the same.
func (f *fleetView) backlog(pool string, now time.Time) (runners int, aheadMS float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.backlogLocked(pool, now)
}

func (f *fleetView) backlogLocked(pool string, now time.Time) (runners int, aheadMS float64) {
	e := f.estimates[pool]
	return e.Runners(), e.AheadMS(now)
}

// sharedMS is Pool.SharedMS of a pool.
func (f *fleetView) sharedMS(pool string, aheadMS float64) float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.estimates[pool].View().SharedMS(aheadMS)
}

// unreliedLocked says why nothing is expected of a pool's workers, whatever the view says;
// empty where they are relied on.
func (f *fleetView) unreliedLocked(pool string, now time.Time, set settings.Settings) placement.Reason {
	switch v := f.estimates[pool].View(); {
	case fleet.Outdated(v.At, v.Rests, now, set):
		return placement.ViewOutdated
	case !f.answers(pool), v.Stalled, f.stalls[pool].Stalls(v.Heard, now, set):
		return placement.NoneAnswers
	}
	return ""
}

// overdue notes that a pool's workers have not answered a strict query in the time in which
// they should have.
func (f *fleetView) overdue(pool string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalls[pool].Overdue(now)
}

// answered notes that a worker of a pool has answered.
func (f *fleetView) answered(pool string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stalls[pool].Answered(now)
}

// absence says why load has no runner of a pool: no worker is ready, or none is relied on.
func (f *fleetView) absence(pool string, now time.Time, set settings.Settings) placement.Reason {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, unrelied := f.estimates[pool].View(), f.unreliedLocked(pool, now, set)
	switch {
	case v.Runners == 0 && v.Suspended == 0:
		return placement.NoWorkers
	case unrelied != "":
		return unrelied
	case v.Runners == 0:
		return placement.NoneAnswers
	}
	return placement.NoWorkers
}

// hasCapacity reports whether a query on a work queue has a worker that answers it by a
// time, behind aheadMS of work. Without a fresh view that is not known, and it may have.
func (f *fleetView) hasCapacity(q *submission, now, by time.Time, aheadMS float64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.estimates[q.pool.Name].View()
	if fleet.Outdated(v.At, v.Rests, now, q.set) {
		return true
	}
	return v.HasCapacity(query.Milliseconds(by.Sub(now)), aheadMS, placement.GrowthOf(q.set))
}

// rule applies the rules of overflow in force, those of a scheme, to what is asked.
func (f *fleetView) rule(pool string, a placement.Ask, scheme string) placement.Ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.estimates[pool].View()
	a.RelaxedOverflow, a.RelaxedAheadMS = v.RelaxedOverflow, v.RelaxedMS
	if v.NoStrictOverflow && a.Class == query.Strict && a.OverflowAllowed {
		a.OverflowAllowed = false
		a.OverflowOff = "scheme " + scheme + " sends no strict query to functions, even while the number of workers is fixed"
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
