package procurement

import (
	"cmp"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// costs are the prices and speeds by which the number of workers is chosen.
type costs struct {
	mu        float64 // a worker's throughput, queries a second
	workerUSD float64 // the next worker's price an hour
	queryUSD  float64 // of an overflowed query: the function and the way to it
	aloneUSD  float64 // of one while no worker is up, which its intake invokes
	ratio     float64 // of that to a query's share of a worker that is always busy
	functions float64 // what functions answer at most, queries a second
	queued    float64 // and by the overflow queue, whose way holds a place, too
	lostUSD   float64 // of a query beyond that
	places    int     // how many queries may be on functions at once
	boot      float64 // seconds
	horizon   float64 // seconds for which a change of the fleet must last to pay
	strict    float64 // share of the queries that are strict
	wait      int     // seconds for which a relaxed query may wait before it overflows

	onDemandUSD float64 // an hour of a worker on demand
	spot        spotMarket
}

func costsOf(s Snapshot, set settings.Settings, strictShare float64, spot spotMarket) costs {
	c := costs{
		mu: s.Throughput(), workerUSD: s.WorkerUSDPerHour, onDemandUSD: s.WorkerUSDPerHour, spot: spot, queryUSD: s.FunctionUSD + s.OverflowUSD,
		aloneUSD: s.FunctionUSD + s.UnaidedUSD, boot: set.VMBootSeconds,
		strict: strictShare, wait: int(s.DeferMS / 1000),
		functions: 1000 / limits.EachMS(cmp.Or(s.FunctionMS, s.ServiceMS), set.MaxOverflowConcurrency),
		queued:    1000 / limits.EachMS(cmp.Or(s.FunctionMS, s.ServiceMS)+set.OverflowQueueMS(), set.MaxOverflowConcurrency),
		places:    set.MaxOverflowConcurrency,
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

// load is the rates of a scenario, in queries a second: series that are equally likely, each
// of rates that last for step seconds each and come in this order.
type load struct {
	series [][]float64
	step   int
	waits  bool            // whether it counts that relaxed queries wait
	known  map[int]float64 // what overflows beyond a number of workers, once it was asked: a load is of one decision, whose costs do not change
}

func loadOf(series [][]float64, step int, waits bool) load {
	return load{series: series, step: step, waits: waits, known: map[int]float64{}}
}

// top is the highest rate.
func (l load) top() float64 {
	top := 0.0
	for _, rates := range l.series {
		top = max(top, slices.Max(rates))
	}
	return top
}

// usdPerHour is the expected cost of running n workers under a load, overflow included.
func (c costs) usdPerHour(n int, l load) float64 {
	overflow := 3600 * c.meanOverflowUSD(n, l)
	if c.spot.usd == 0 {
		return float64(n)*c.workerUSD + overflow
	}
	_, workers := c.spotIn(n, l)
	return workers + (1-c.spot.lostShare)*overflow
}

// meanOverflowUSD is what overflows beyond n workers in the mean of a load, a second.
func (c costs) meanOverflowUSD(n int, l load) float64 {
	if usd, is := l.known[n]; is {
		return usd
	}
	if !l.waits {
		c.wait = 0
	}
	usd, seconds := 0.0, 0
	for _, rates := range l.series {
		usd += c.overflowUSD(rates, l.step, func(int) int { return n })
		seconds += len(rates) * l.step
	}
	l.known[n] = usd / float64(max(1, seconds))
	return l.known[n]
}

// leastAloneUSDPerHour is what a load costs at least without any worker, as each query is
// either answered by a function or refused. It takes no count of those that are refused, which
// takes a thousand steps a second of the load.
func (c costs) leastAloneUSDPerHour(l load) float64 {
	queries, seconds := 0.0, 0
	for _, rates := range l.series {
		for _, rate := range rates {
			queries += rate * float64(l.step)
		}
		seconds += len(rates) * l.step
	}
	const rounding = 1e-6 // far above that of the sums
	return 3600 * queries / float64(max(1, seconds)) * min(c.aloneUSD, c.lostUSD) * (1 - rounding)
}

// overflowUSD is what overflows costs when each of the rates lasts for step seconds, and
// ready(i) workers are up during the ith. Strict queries beyond the workers' throughput
// overflow at once. Relaxed ones wait for what is left of it, the oldest first, and overflow
// once they have waited as long as they may; those that still wait at the end overflow, too.
func (c costs) overflowUSD(rates []float64, step int, ready func(i int) int) float64 {
	usd := 0.0
	came := make([]float64, 1, len(rates)*step+1) // relaxed ones up to each second
	gone := 0.0                                   // those of them that wait no longer
	for i, rate := range rates {
		n, strict := ready(i), c.strict*rate
		most := float64(n) * c.mu
		for range step {
			came = append(came, came[len(came)-1]+rate-strict)
			gone = min(came[len(came)-1], gone+max(0, most-strict))
			due := came[max(0, len(came)-1-c.wait)]
			usd += c.beyondUSD(max(0, strict-most)+max(0, due-gone), n)
			gone = max(gone, due)
		}
	}
	if left := came[len(came)-1] - gone; left > 0 {
		seconds := float64(max(1, c.wait))
		usd += seconds * c.beyondUSD(left/seconds, ready(len(rates)-1))
	}
	return usd
}

// beyondUSD is what the queries that n workers do not take cost a second. While
// workers are up, they go by the overflow queue, and a query that finds no place on functions
// waits for a worker: what is beyond all that functions answer by that way is late. While none is up, such a query is refused.
func (c costs) beyondUSD(beyond float64, n int) float64 {
	if n > 0 {
		return min(beyond, c.queued)*c.queryUSD + max(0, beyond-c.queued)*c.lostUSD
	}
	refused := 1.0
	if c.functions > 0 {
		refused = limits.Refused(float64(c.places)*beyond/c.functions, c.places)
	}
	return beyond * ((1-refused)*c.aloneUSD + refused*c.lostUSD)
}

// changeUSD is what changing the fleet costs, an hour of the time for which the
// change must last, or lasts where the load is known to be for longer: boots now, or
// perhaps again later.
func (c costs) changeUSD(n, have int, lastsSeconds float64) float64 {
	boots := float64(n - have)
	if n < have {
		boots = float64(have-n) * restartShare
	}
	return boots * c.workerUSD * c.boot / max(c.horizon, lastsSeconds)
}
