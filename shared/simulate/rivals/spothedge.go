package rivals

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// spotHedge buys spot instances and workers on demand as SkyServe does ("SkyServe:
// Serving AI Models across Regions and Clouds with Spot Instances", EuroSys 2025): of a
// target N it asks for N + extra spot instances, spread over zones, and falls back to
// min(N, N + extra - ready spot instances) workers on demand. The target is quantile's
// and what is left overflows to functions, which SkyServe has not: so that the mix alone
// is compared, in its favor. It runs on Paragon's platform.
type spotHedge struct{}

// spotHedgeExtra is num_overprovision of the example in SkyServe's documentation.
// https://docs.skypilot.co/en/latest/serving/spot-policy.html
const spotHedgeExtra = 1

func (spotHedge) Name() string { return "spothedge" }

func (spotHedge) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.AtBound, procurement.AtBound
}

func (spotHedge) Decide(now time.Time, s procurement.Snapshot, set settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	d, st := quantile{}.Decide(now, s, set, st)
	if s.SpotUSDPerHour <= 0 {
		return d, st
	}
	n := d.Workers
	onDemand := max(0, min(n, n+spotHedgeExtra-s.Pool.SpotReady))
	d.Spot = n + spotHedgeExtra
	d.Workers = d.Spot + onDemand
	d.Reason += fmt.Sprintf("; that is %d spot instances, of which %d serve now, and %d on-demand instances", d.Spot, s.Pool.SpotReady, onDemand)
	return d, st
}
