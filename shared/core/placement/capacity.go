package placement

import "paragon/shared/core/settings"

// Growth is what a pool without workers may expect of its controller.
type Growth struct {
	Allowed bool    // workers may be launched
	LeadMS  float64 // from an arrival until a worker that was launched for it serves, in ms
}

// GrowthOf is what the settings let a pool expect. Arrivals are read once they have
// settled, a tick decides on them, and a worker boots.
func GrowthOf(set settings.Settings) Growth {
	return Growth{
		Allowed: set.Fleet == settings.FleetMoving && set.MaxWorkers > 0,
		LeadMS:  (set.MetricSettleSeconds + set.TickSeconds + set.VMBootSeconds) * 1000,
	}
}

// HasCapacity reports whether a query that waits on the pool's work queue and
// expires in expiresMS milliseconds has a worker to wait for: one that serves or
// boots, or one that can still be launched for it. Where the last launch brought
// nobody, none is counted on.
func (p Pool) HasCapacity(expiresMS float64, g Growth) bool {
	if p.Workers > 0 || p.Runners > 0 || p.Booting > 0 {
		return true
	}
	return g.Allowed && !p.Unfilled && expiresMS >= g.LeadMS
}
