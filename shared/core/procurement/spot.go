package procurement

import (
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// SpotMemory is what hedged remembers of spot instances between two ticks.
type SpotMemory struct {
	At    time.Time `json:"at,omitzero"`     // the last tick
	Asked int       `json:"asked,omitempty"` // spot instances that were asked for then
	// OnDemand is how many workers on demand were wanted then, without those that stay
	// only until spot instances have booted.
	OnDemand int `json:"on_demand,omitempty"`
	// Hours is for how long there were spot instances, and Losses in how many ticks some
	// were taken back; both fade over spotMemoryHours.
	Hours  float64 `json:"hours,omitempty"`
	Losses float64 `json:"losses,omitempty"`
}

// observe adds what happened since the last tick.
func (m SpotMemory) observe(now time.Time, p Pool) SpotMemory {
	alive := p.SpotReady + p.SpotBooting + p.SpotLost
	if passed := now.Sub(m.At).Hours(); !m.At.IsZero() && passed > 0 && alive > 0 {
		keep := math.Exp(-passed / spotMemoryHours)
		m.Hours, m.Losses = m.Hours*keep+passed, m.Losses*keep
		if p.SpotLost > 0 {
			m.Losses++
		}
	}
	m.At = now
	return m
}

// lossesPerHour is how often spot instances are lost, by what was seen.
func (m SpotMemory) lossesPerHour() float64 {
	return (m.Losses + spotLossesPerHour*spotPriorHours) / (m.Hours + spotPriorHours)
}

// spotMarket is how spot instances are bought at a tick.
type spotMarket struct {
	usd       float64 // an hour of one
	most      int     // there are no more at present
	lostShare float64 // of the time, in which those that were lost are not yet replaced
}

// spotOf is the market as a pool sees it. The zero value has no spot instances. When
// fewer came than were asked for, apart from those that were taken back since, there
// are no more than came.
func spotOf(s Snapshot, set settings.Settings, m SpotMemory) spotMarket {
	if s.SpotUSDPerHour <= 0 || s.SpotUSDPerHour >= s.WorkerUSDPerHour {
		return spotMarket{}
	}
	out := spotMarket{usd: s.SpotUSDPerHour, most: math.MaxInt, lostShare: min(1, m.lossesPerHour()*set.VMBootSeconds/3600)}
	if alive := s.Pool.SpotReady + s.Pool.SpotBooting; alive < m.Asked-s.Pool.SpotLost {
		out.most = alive
	}
	return out
}

// short is whether the next worker is one on demand.
func (m spotMarket) short() bool { return m.usd == 0 || m.most < math.MaxInt }

// counted is how many workers a scenario may take for granted: without those on demand
// that stay only until spot instances have booted.
func (m SpotMemory) counted(p Pool) int {
	return min(p.Ready+p.Booting, p.SpotReady+p.SpotBooting+m.OnDemand)
}

// spotIn is how many of n workers are best bought as spot instances, and what all cost
// an hour. Losses are correlated: all of them go at once, and until others have booted
// the load is on the workers on demand and on functions.
func (c costs) spotIn(n int, l load) (spot int, usdPerHour float64) {
	for s := min(n, c.spot.most); s >= 0; s-- {
		usd := float64(s)*c.spot.usd + float64(n-s)*c.onDemandUSD + 3600*c.spot.lostShare*c.meanOverflowUSD(n-s, l)
		if s < min(n, c.spot.most) && usd >= usdPerHour {
			break
		}
		spot, usdPerHour = s, usd
	}
	return spot, usdPerHour
}

// mixed turns n workers of a scenario into a mix. As many spot instances are asked for
// as would be best if there were enough; workers on demand stay until these have booted.
func (c costs) mixed(n int, sc scenario, p Pool, m SpotMemory) (workers, spot int, after SpotMemory) {
	if c.spot.usd == 0 {
		return n, 0, m
	}
	is, _ := c.spotIn(n, sc.load)
	onDemand := n - is
	m.OnDemand = onDemand
	c.spot.most = math.MaxInt
	spot, _ = c.spotIn(n, sc.load)
	m.Asked = spot
	there := p.Ready + p.Booting - p.SpotReady - p.SpotBooting
	onDemand = max(onDemand, min(there, n-min(spot, p.SpotReady)))
	return onDemand + spot, spot, m
}
