package placement

import (
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Growth is what a pool may expect of its controller.
type Growth struct {
	Allowed bool // workers may be launched
	// LeadMS and WarmLeadMS are the times from an arrival until a worker that was
	// launched for it serves, in ms: a new machine, and a warm instance.
	LeadMS, WarmLeadMS float64
	BootMS             float64 // in which a worker that boots serves, at the latest
}

// GrowthOf is what the settings let a pool expect. Arrivals are read once they have
// settled, a tick decides on them, and a worker boots.
func GrowthOf(set settings.Settings) Growth {
	lead := func(bootSeconds float64) float64 {
		return (set.MetricSettleSeconds + set.TickSeconds + bootSeconds) * 1000
	}
	return Growth{
		Allowed: set.Fleet == settings.FleetMoving && set.MaxWorkers > 0,
		LeadMS:  lead(set.NextBootSeconds(0)), WarmLeadMS: lead(set.NextBootSeconds(1)), BootMS: set.VMBootSeconds * 1000,
	}
}

// HasCapacity reports whether a query that waits on the pool's work queue has a worker
// that answers it within withinMS milliseconds, behind aheadMS of work, in milliseconds
// of one runner. Where a worker serves, that is whether its runners, and those of the
// workers that boot, have done that work by then. Where none does, it is whether one
// boots, does not answer for now, or can still be launched; where the last launch
// brought nobody, none is counted on. That of a pool at rest is launched by the next run of
// the controller.
func (p Pool) HasCapacity(withinMS, aheadMS float64, g Growth) bool {
	if p.Runners > 0 {
		each := float64(p.Runners) / float64(max(1, p.Workers))
		return aheadMS <= float64(p.Runners)*withinMS+each*float64(p.Booting)*max(0, withinMS-g.BootMS)
	}
	if p.Workers > 0 || p.Booting > 0 || p.Suspended > 0 {
		return true
	}
	lead := g.LeadMS
	if p.Warm > 0 {
		lead = g.WarmLeadMS
	}
	if p.Rests {
		lead += fleet.RestSeconds * 1000
	}
	return g.Allowed && !p.Unfilled && withinMS >= lead
}

// SharedMS is the strict work ahead of a query, in milliseconds of one runner, where its
// owner shares the workers with others. One of the runners of a worker is kept for the
// others then (see package schedule), so that the rest take longer to do that work.
func (p Pool) SharedMS(aheadMS float64) float64 {
	each := float64(p.Runners) / float64(max(1, p.Workers))
	if each < 2 {
		return aheadMS
	}
	return aheadMS * each / (each - 1)
}
