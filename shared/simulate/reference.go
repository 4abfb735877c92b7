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

// planSteps and planOptimism are the plans that a clairvoyant chooses from: the
// step in which it looks at the load, as what waits within its bound evens out
// what is shorter, and what overflow is taken to cost beside its price, as
// waiting saves a part of it.
var (
	planSteps    = []time.Duration{10 * time.Second, 20 * time.Second}
	planOptimism = []float64{0.5, 0.7, 1}
)

// Clairvoyant plays the configuration with a scheme that knows the arrivals. Of
// the load it chooses for each worker when it runs, at the least cost of
// machine time, boots and overflow. Costs separate by worker, so that each
// one's dynamic programme has two states. Each plan is played like any other
// scheme, and the cheapest counts that keeps as many bounds as it can: what it
// costs is what a schedule that exists costs. Its result names no least cost.
func Clairvoyant(c Config) (Result, error) {
	if len(c.Pools) != 1 {
		return Result{}, invalidf("the clairvoyant plans for one pool, not %d", len(c.Pools))
	}
	c.Scheme, c.AsDeployed = &plan{}, nil // no controller and no guard stand before a plan
	if err := c.Validate(); err != nil {
		return Result{}, err
	}
	c.MetricDelay, c.Watch, c.Spot.Availability = 0, nil, nil // it plans workers on demand alone
	plans := c.plans()
	var best Result
	for _, p := range plans[:c.playedPlans()] {
		c.Scheme = p
		c.Settings.TickSeconds = p.step.Seconds()
		r, err := Run(c)
		if err != nil {
			return r, err
		}
		if best.Arrived() == 0 || r.Bill.Total() < best.Bill.Total() {
			best = r
		}
	}
	return best, nil
}

// playedPlans is how many plans are played, those that look cheapest: two, and
// of a long run the one.
func (c *Config) playedPlans() int {
	length := c.For
	if length == 0 {
		length = c.Trace.Duration() - c.From
	}
	if length > 6*time.Hour {
		return 1
	}
	return 2
}

// plans are all plans, the one that looks cheapest first.
func (c *Config) plans() []*plan {
	var out []*plan
	for _, step := range planSteps {
		for _, optimism := range planOptimism {
			out = append(out, newPlan(c, step, optimism))
		}
	}
	slices.SortStableFunc(out, func(a, b *plan) int { return cmp.Compare(a.coarseCost, b.coarseCost) })
	return out
}

// plan is a number of workers, ready or booting, by step.
type plan struct {
	begin      time.Duration
	step       time.Duration
	workers    []int   // ready and booting
	ready      []int   // of them
	coarseCost float64 // what it costs by the second, in worker-seconds
}

func (*plan) Name() string { return "clairvoyant" }

// Decide returns what was planned.
func (p *plan) Decide(now time.Time, s procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	i := int((now.Sub(epoch) - p.begin) / p.step)
	return procurement.Decision{
		Workers: p.workers[max(0, min(i, len(p.workers)-1))],
		Strict:  procurement.AtBound, Relaxed: procurement.AtBound, Reason: "planned",
	}, st
}

// newPlan plans the whole of the run, its warm-up included.
func newPlan(c *Config, step time.Duration, optimism float64) *plan {
	var ctl control
	p := newPool(0, &c.Pools[0])
	e := &engine{cfg: c}
	ctl.start(e, p, 0)
	begin := max(0, c.From-c.Warmup)
	load := loads(c, begin, step, ctl.serviceMS)
	out := &plan{begin: begin, step: step, workers: make([]int, len(load)), ready: make([]int, len(load))}
	l := level{
		bin: step.Seconds(), boot: c.Settings.VMBootSeconds, lead: int(math.Ceil(c.Settings.VMBootSeconds / step.Seconds())),
		ratio: ctl.priceRatio() * optimism, runners: float64(p.runners), on: make([]bool, len(load)), ready: make([]bool, len(load)), came: make([]bool, 2*len(load)),
	}
	for n := 0; ; n++ {
		if !l.solve(load, float64(n)) {
			break
		}
		for i := range l.on {
			if l.on[i] {
				out.workers[i]++
			}
			if l.ready[i] {
				out.ready[i]++
			}
		}
	}
	out.coarseCost = out.priced(c, ctl, float64(p.runners))
	return out
}

// priced plays the plan by the second, as a flow whose relaxed part waits.
func (p *plan) priced(c *Config, ctl control, runners float64) float64 {
	deferral := ctl.deferMS / 1000
	if c.NoDefer {
		deferral = 0
	}
	usd, waiting := 0.0, 0.0
	for i, v := range loads(c, p.begin, time.Second, ctl.serviceMS) {
		k := min(i/int(p.step/time.Second), len(p.workers)-1)
		usd += float64(p.workers[k])
		waiting = max(0, waiting+v-float64(p.ready[k])*runners)
		if room := v * (1 - c.strictShare()) * deferral; waiting > room {
			usd += (waiting - room) / runners * ctl.priceRatio()
			waiting = room
		}
	}
	return usd
}

// loads is the work that arrives in each step, in busy runners.
func loads(c *Config, begin, step time.Duration, serviceMS float64) []float64 {
	end := c.Trace.Duration()
	if c.For > 0 {
		end = min(end, c.From+c.For)
	}
	out := make([]float64, 0, int((end-begin)/step)+1)
	for at := begin; at < end; at += step {
		sum, n := 0.0, 0
		for t := at; t < at+step && t < end; t += time.Second {
			sum += c.Trace.Counts[t/c.Trace.Step] / c.Trace.Step.Seconds()
			n++
		}
		out = append(out, sum/float64(n)*serviceMS/1000)
	}
	return out
}

// level plans one worker: the n-th gets the load above the n-1 before it.
type level struct {
	bin, boot, ratio, runners float64
	lead                      int    // steps before its first use at which it is launched
	on, ready                 []bool // by step: runs or boots; runs
	came                      []bool // by step and state: whether it was on the step before
}

// solve fills on and ready with the steps in which the worker should run, and
// is false when it never should.
func (l *level) solve(load []float64, below float64) bool {
	// Money in units of a second of a worker. A run that is ready at the start
	// needs no boot, as the first fleet is stated.
	off, on := 0.0, 0.0
	for i, v := range load {
		used := max(0, min(1, v/l.runners-below))
		saved := l.bin * (l.ratio*used - 1)
		l.came[2*i] = on < off
		nextOff := min(off, on)
		l.came[2*i+1] = i == 0 || on <= off+l.boot
		nextOn := min(on, off+l.boot) - saved
		if i == 0 {
			nextOn = on - saved
		}
		off, on = nextOff, nextOn
	}
	state, any := 0, false
	if on < off {
		state = 1
	}
	clear(l.on)
	clear(l.ready)
	for i := len(load) - 1; i >= 0; i-- {
		was := l.came[2*i+state]
		if state == 1 {
			l.on[i], l.ready[i], any = true, true, true
			if !was {
				for k := max(0, i-l.lead); k < i; k++ {
					l.on[k] = true
				}
			}
		}
		state = 0
		if was {
			state = 1
		}
	}
	return any
}
