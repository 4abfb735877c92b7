package procurement

import (
	"cmp"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// costs are the prices and speeds by which a number of workers is chosen.
type costs struct {
	mu        float64 // a worker's throughput, queries a second
	workerUSD float64 // the next worker's price an hour
	queryUSD  float64 // of an overflowed query: the function and the way to it
	aloneUSD  float64 // of one while no worker is up, which its intake invokes
	ratio     float64 // of that to a query's share of a worker that is always busy
	functions float64 // what functions answer at most, queries a second
	queued    float64 // and by the overflow queue, whose way holds a place, too
	lostUSD   float64 // of a query beyond that
	boot      float64 // seconds
	horizon   float64 // seconds for which a change of the fleet must last to pay

	onDemandUSD float64 // an hour of a worker on demand
	spot        spotMarket
}

func costsOf(s Snapshot, set settings.Settings, spot spotMarket) costs {
	c := costs{
		mu: s.Throughput(), workerUSD: s.WorkerUSDPerHour, onDemandUSD: s.WorkerUSDPerHour, spot: spot, queryUSD: s.FunctionUSD + s.OverflowUSD,
		aloneUSD: s.FunctionUSD + s.UnaidedUSD, boot: set.VMBootSeconds,
		functions: 1000 / limits.EachMS(cmp.Or(s.FunctionMS, s.ServiceMS), set.MaxOverflowConcurrency),
		queued:    1000 / limits.EachMS(cmp.Or(s.FunctionMS, s.ServiceMS)+set.OverflowQueueMS(), set.MaxOverflowConcurrency),
	}
	if !spot.short() {
		c.workerUSD = spot.usd
	}
	busyUSD := c.workerUSD / 3600 / c.mu
	if busyUSD > 0 {
		c.ratio = c.queryUSD / busyUSD
	}
	c.horizon = horizon(c.ratio, c.boot)
	c.lostUSD = max(c.queryUSD, busyUSD/lostShare)
	return c
}

// horizon is for how long a change of the fleet must last to pay, in seconds. A
// worker that is started as a burst begins costs 1 a second from then on, and saves
// ratio a second once it has booted: it pays if the burst lasts for
// boot × ratio ÷ (ratio − 1). E.g. boot 100 s, ratio 2.58: 163 s.
func horizon(ratio, boot float64) float64 {
	if ratio <= 1 {
		return longestHorizon // no worker ever pays
	}
	return min(max(boot*ratio/(ratio-1), leastHorizon), longestHorizon)
}

// usdPerHour is the expected cost of running n workers when each of the rates, in
// queries a second, is equally likely, overflow included.
func (c costs) usdPerHour(n int, rates []float64) float64 {
	overflow := 3600 * c.meanOverflowUSD(n, rates)
	if c.spot.usd == 0 {
		return float64(n)*c.workerUSD + overflow
	}
	_, workers := c.spotIn(n, rates)
	return workers + (1-c.spot.lostShare)*overflow
}

// meanOverflowUSD is what overflows beyond n workers in the mean of the rates, a second.
func (c costs) meanOverflowUSD(n int, rates []float64) float64 {
	usd := 0.0
	for _, rate := range rates {
		usd += c.overflowUSD(rate, n)
	}
	return usd / float64(max(1, len(rates)))
}

// overflowUSD is what queries beyond n workers cost a second, of so many.
func (c costs) overflowUSD(rate float64, n int) float64 {
	beyond, usd := max(0, rate-float64(n)*c.mu), c.queryUSD
	if n == 0 {
		usd = c.aloneUSD
	}
	return min(beyond, c.functions)*usd + max(0, beyond-c.functions)*c.lostUSD
}

// changeUSD is what changing the fleet costs, an hour of the time for which the
// change must last: boots now, or perhaps again later.
func (c costs) changeUSD(n, have int) float64 {
	boots := float64(n - have)
	if n < have {
		boots = float64(have-n) * restartShare
	}
	return boots * c.workerUSD * c.boot / c.horizon
}
