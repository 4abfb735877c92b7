package simulate

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// BoundUSD is what no schedule that answers the queries of a run can beat:
// machines start free and at once and are paid by the runner and the
// microsecond, and every query is deferred, within its bound, until it fits.
// Then a query costs its share of a worker that is never idle, or a warm call,
// whichever is less, and on top the least that machinery takes for an answer.
func BoundUSD(c *Config, r Result) float64 {
	m := c.Machinery
	return r.LeastUSD + float64(r.Arrived())*min(m.DirectUSD, m.OverflowUSD, m.AsyncUSD)
}

// PriceRatio is what a mean query costs on a function relative to its share of a
// worker that is always busy, in the first pool.
func PriceRatio(c *Config) float64 {
	var ctl control
	ctl.start(&engine{cfg: c}, newPool(0, &c.Pools[0]), 0)
	return ctl.priceRatio()
}

// leastUSD is the least that a query of a model can cost that takes service
// microseconds on a runner, alone.
func (p *Pool) leastUSD(m *Model, service int64, priceFactor float64) float64 {
	least := float64(service)
	if m.BatchMax > 1 {
		least = min(least, m.BatchMS*1000)
	}
	return min(m.USD, p.USDPerHour*priceFactor/float64(p.Runners)/3600*least/float64(second))
}

func (c *Config) cheapestSpot() float64 {
	if c.Spot.Share > 0 || c.Spot.Availability != nil {
		return min(1, c.Spot.PriceFactor)
	}
	return 1
}

// planOptimism and planThresholds are the plans that a clairvoyant chooses from. A linear
// program says how many workers there should be, in parts of one. Either each worker runs
// when that is above its number by a threshold, or the work is taken as the program moves
// it in time, and for each worker it is found when it should run, with overflow that costs its
// price times a factor, as more waiting saves a part of it.
var (
	planOptimism   = []float64{0.7, 0.85, 1}
	planThresholds = []float64{0.25, 0.5, 0.75}
)

// Clairvoyant plays the configuration with a scheme that knows the arrivals: the plans that
// follow from the linear program of the whole run. Each plan is played like any other
// scheme, and the cheapest counts, with what it misses priced as calls: what it costs is what
// a schedule that exists costs. Its result names no least cost; leastUSD is that of the
// program, which no schedule that keeps the bounds is below.
func Clairvoyant(c Config) (best Result, leastUSD float64, err error) {
	c.Scheme, c.AsDeployed = &plan{}, nil // no controller and no guard stand before a plan
	if err := c.Validate(); err != nil {
		return Result{}, 0, err
	}
	c.MetricDelay, c.Watch, c.Spot.Availability = 0, nil, nil // it plans workers on demand alone
	plans, leastUSD, err := c.plans()
	if err != nil {
		return Result{}, 0, err
	}
	for _, p := range plans[:min(len(plans), c.playedPlans())] {
		c.Scheme = p
		c.Settings.TickSeconds = p.step.Seconds()
		r, err := Run(c)
		if err != nil {
			return r, 0, err
		}
		if best.Arrived() == 0 || c.withMissed(r) < c.withMissed(best) {
			best = r
		}
	}
	return best, leastUSD, nil
}

// withMissed is a run's bill if what it missed had been called in time.
func (c *Config) withMissed(r Result) float64 {
	call := c.mean(&c.Pools[0], false, func(m *Model, _ float64) float64 { return m.USD })
	return r.Bill.Total() + call*float64(r.Strict.Missed+r.Relaxed.Missed)
}

// playedPlans is how many plans are played, those that look cheapest: all, and of a long run
// two.
func (c *Config) playedPlans() int {
	if from, end := c.counted(); end-from > 6*3600*second {
		return 2
	}
	return len(planOptimism) + len(planThresholds)
}

// plans are all plans, the one that looks cheapest first, and what their program costs.
func (c *Config) plans() (out []*plan, leastUSD float64, err error) {
	d, f, err := c.linear()
	if err != nil {
		return nil, 0, err
	}
	for _, factor := range planOptimism {
		out = append(out, c.byLevels(d, f, factor))
	}
	for _, threshold := range planThresholds {
		out = append(out, c.byThreshold(d, f, threshold))
	}
	for _, p := range out {
		p.priced(d)
	}
	slices.SortStableFunc(out, func(a, b *plan) int { return cmp.Compare(a.coarseCost, b.coarseCost) })
	return out, f.leastUSD, nil
}

// plan is the number of workers, ready or booting, in each step.
type plan struct {
	begin      time.Duration
	step       time.Duration
	workers    []int   // ready and booting
	ready      []int   // of them
	coarseCost float64 // what it costs as a flow, in workers for a step
}

func (*plan) Name() string { return "clairvoyant" }

func (*plan) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.AtBound, procurement.AtBound
}

// Decide returns what was planned.
func (p *plan) Decide(now time.Time, s procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	i := int((now.Sub(epoch) - p.begin) / p.step)
	i = max(0, min(i, len(p.workers)-1))
	return procurement.Decision{Workers: p.workers[i], Reason: "planned"}, st
}

// newPlan is a plan without workers for the steps of a demand.
func (c *Config) newPlan(d demand) *plan {
	from, _ := c.counted()
	return &plan{
		begin: time.Duration(from) * time.Microsecond, step: time.Duration(d.step * float64(time.Second)),
		workers: make([]int, len(d.work)), ready: make([]int, len(d.work)),
	}
}

// byLevels plans each worker for the work that the linear program would do then.
func (c *Config) byLevels(d demand, f plannedFleet, factor float64) *plan {
	out, n := c.newPlan(d), len(d.work)
	l := c.level(d)
	l.ratio = d.meanPrice() * factor
	for k := 0; l.solve(f.done, float64(k)); k++ {
		for i := range n {
			out.add(i, l.on[i], l.ready[i])
		}
	}
	return out
}

// byThreshold runs each worker while the program's number is above its own by a threshold.
func (c *Config) byThreshold(d demand, f plannedFleet, threshold float64) *plan {
	out, l := c.newPlan(d), c.level(d)
	for k := 0.0; k < slices.Max(f.ready); k++ {
		for i, ready := range f.ready {
			l.ready[i] = ready > k+threshold
		}
		l.launch()
		for i := range l.on {
			out.add(i, l.on[i], l.ready[i])
		}
	}
	return out
}

// add counts a worker at a step.
func (p *plan) add(step int, on, ready bool) {
	if on {
		p.workers[step]++
	}
	if ready {
		p.ready[step]++
	}
}

// priced plays the plan on the demand, as a flow that waits as far as it may.
func (p *plan) priced(d demand) {
	waiting, price := 0.0, d.meanPrice()
	for i, work := range d.work {
		p.coarseCost += float64(p.workers[i])
		waiting = max(0, waiting+total(work)-float64(p.ready[i]))
		if waiting > d.room[i] {
			p.coarseCost += (waiting - d.room[i]) * price
			waiting = d.room[i]
		}
	}
}

// meanPrice is that of the work's overflow.
func (d demand) meanPrice() float64 {
	sum, usd := 0.0, 0.0
	for _, work := range d.work {
		for kind, w := range work {
			sum, usd = sum+w, usd+w*d.prices[kind]
		}
	}
	if sum == 0 {
		return 0
	}
	return usd / sum
}

// level plans one worker: the n-th gets the load above the n-1 before it.
type level struct {
	boot      float64 // steps, billed
	lead      int     // steps before its first use at which it is launched
	ratio     float64 // of the price of overflow
	on, ready []bool  // by step: runs or boots; runs
	came      []bool  // by step and state: whether it was on the step before
}

func (c *Config) level(d demand) *level {
	n, boot := len(d.work), c.Settings.VMBootSeconds/d.step
	return &level{boot: boot, lead: int(math.Ceil(boot)), on: make([]bool, n), ready: make([]bool, n), came: make([]bool, 2*n)}
}

// solve fills on and ready with the steps in which the worker should run, and
// is false when it never should.
func (l *level) solve(load []float64, below float64) bool {
	// Money in units of a step of a worker. A run that is ready at the start
	// needs no boot, as the first fleet is stated.
	off, on := 0.0, 0.0
	for i, v := range load {
		saved := l.ratio*max(0, min(1, v-below)) - 1
		boot := min(l.boot, float64(i)) // what is billed of it
		l.came[2*i] = on < off
		l.came[2*i+1] = on <= off+boot
		off, on = min(off, on), min(on, off+boot)-saved
	}
	state := on < off
	for i := len(load) - 1; i >= 0; i-- {
		l.ready[i] = state
		k := 2 * i
		if state {
			k++
		}
		state = l.came[k]
	}
	l.launch()
	return slices.Contains(l.on, true)
}

// launch fills on: a worker that is ready was launched a boot before.
func (l *level) launch() {
	clear(l.on)
	for i, ready := range l.ready {
		if !ready {
			continue
		}
		l.on[i] = true
		if i > 0 && !l.ready[i-1] {
			for k := max(0, i-l.lead); k < i; k++ {
				l.on[k] = true
			}
		}
	}
}
