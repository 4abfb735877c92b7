package placement

import "github.com/paragon-serving/paragon/shared/core/settings"

// Growth is what a pool without workers may expect of its controller.
type Growth struct {
	Allowed bool // workers may be launched
	// LeadMS and WarmLeadMS are the times from an arrival until a worker that was
	// launched for it serves, in ms: a new machine, and a warm instance.
	LeadMS, WarmLeadMS float64
}

// GrowthOf is what the settings let a pool expect. Arrivals are read once they have
// settled, a tick decides on them, and a worker boots.
func GrowthOf(set settings.Settings) Growth {
	lead := func(bootSeconds float64) float64 {
		return (set.MetricSettleSeconds + set.TickSeconds + bootSeconds) * 1000
	}
	return Growth{
		Allowed: set.Fleet == settings.FleetMoving && set.MaxWorkers > 0,
		LeadMS:  lead(set.NextBootSeconds(0)), WarmLeadMS: lead(set.NextBootSeconds(1)),
	}
}

// HasCapacity reports whether a query that waits on the pool's work queue and
// expires in expiresMS milliseconds has a worker to wait for: one that serves, boots
// or does not answer for now, or one that can still be launched for it. Where the last
// launch brought nobody, none is counted on.
func (p Pool) HasCapacity(expiresMS float64, g Growth) bool {
	if p.Workers > 0 || p.Runners > 0 || p.Booting > 0 || p.Suspended > 0 {
		return true
	}
	lead := g.LeadMS
	if p.Warm > 0 {
		lead = g.WarmLeadMS
	}
	return g.Allowed && !p.Unfilled && expiresMS >= lead
}
