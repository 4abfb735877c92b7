package simulate

import (
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
)

// control is a pool's controller and what it knows.
type control struct {
	state           procurement.State
	strict, relaxed procurement.Overflow
	seconds         []procurement.Second // not yet shown to the scheme
	firstSecond     int64                // the first of them
	serviceMS, usd  float64              // of the mean query
	warm            []bool               // by model: whether its function counts as warm, by the last tick
	functionMS      float64              // of the mean query
	overflowUSD     float64              // what its way costs more than a direct answer's
	unaidedUSD      float64              // and while no worker is up
	throughput      float64              // of a worker, queries a second
	usdPerHour      float64
	coldLate        bool // a strict query on a function that starts cold
	idle            []float64
	deployed        deployedControl
}

func (c *control) start(e *engine, p *pool, begin int64) {
	path := e.cfg.Settings.PathMS
	c.warm = slices.Repeat([]bool{!e.cfg.ColdStarts}, len(p.cfg.Models))
	c.serviceMS = e.cfg.mean(p.cfg, false, func(m *Model, _ float64) float64 { return m.ServiceMS })
	c.usd = e.cfg.mean(p.cfg, false, func(m *Model, _ float64) float64 { return m.USD })
	c.functionMS = e.cfg.mean(p.cfg, false, func(m *Model, _ float64) float64 { return m.FunctionMS })
	coldMS := e.cfg.mean(p.cfg, false, func(m *Model, _ float64) float64 { return m.FunctionMS + m.ColdMS })
	c.coldLate = e.cfg.ColdStarts && coldMS+path > e.cfg.StrictMS
	c.overflowUSD, c.unaidedUSD = e.cfg.Machinery.OverflowMoreUSD()
	if e.cfg.AsDeployed == nil { // by definition there is one way
		c.unaidedUSD = c.overflowUSD
	}
	c.throughput = float64(p.runners) * 1000 / c.serviceMS
	c.usdPerHour = p.cfg.USDPerHour
	c.firstSecond = begin / second
	c.strict, c.relaxed = procurement.Never, procurement.Never
	if e.cfg.NoDefer {
		c.strict, c.relaxed = procurement.AtBound, procurement.AtBound
	}
}

func (c *control) priceRatio() float64 { return c.usd * c.throughput * 3600 / c.usdPerHour }

// rule is the rule of overflow for a class.
func (c *control) rule(strict bool) procurement.Overflow {
	if strict {
		return c.strict
	}
	return c.relaxed
}

// count notes an arrival.
func (c *control) count(now int64, strict bool) {
	i := int(now/second - c.firstSecond)
	for len(c.seconds) <= i {
		c.seconds = append(c.seconds, procurement.Second{})
	}
	if strict {
		c.seconds[i].Strict++
	} else {
		c.seconds[i].Relaxed++
	}
}

// epoch is the simulation's time zero, as schemes speak of moments.
var epoch = time.Unix(0, 0).UTC()

// tick lets the scheme decide for a pool, and acts.
func (e *engine) tick(p *pool) {
	if !e.live {
		return
	}
	e.turnHour()
	if e.cfg.Progress != nil && (e.now-e.phaseUS())%(600*second) == 0 {
		e.cfg.Progress(time.Duration(e.now) * time.Microsecond)
	}
	for model := range p.control.warm {
		p.control.warm[model] = e.calls.mostlyWarm(int(p.id)*e.widest+model, e.now)
	}
	snapshot := e.snapshot(p)
	d, workers, spot := e.decide(p, snapshot)
	p.control.strict, p.control.relaxed = d.Strict, d.Relaxed
	if e.now >= e.from && e.result.StartWorkers == 0 {
		e.result.StartWorkers = p.nReady
	}
	if e.cfg.Watch != nil {
		snapshot.Arrivals = slices.Clone(snapshot.Arrivals)
		snapshot.Pool.IdleSeconds = slices.Clone(snapshot.Pool.IdleSeconds)
		e.cfg.Watch(Moment{At: time.Duration(e.now) * time.Microsecond, Pool: int(p.id), Snapshot: snapshot, Decision: d, Overflow: e.overflowed})
	}
	if e.cfg.Spot.Availability != nil {
		e.scaleMix(p, workers-spot, spot)
	} else {
		e.scaleTo(p, workers)
	}
	e.arm(p)
	e.events.push(event{at: e.now + e.tickUS(), kind: tick, pool: p.id})
}

// decide is what the scheme wants, and how many workers that comes to, and of them spot
// instances.
func (e *engine) decide(p *pool, s procurement.Snapshot) (procurement.Decision, int, int) {
	if e.cfg.AsDeployed != nil {
		return e.decideAsDeployed(p, s)
	}
	d, state := procurement.Run(e.cfg.Scheme, moment(e.now), s, e.cfg.Settings, p.control.state)
	p.control.state = state
	n := e.cfg.Limits.clamp(d.Workers)
	return d, n, min(n, d.Spot)
}

// snapshot is what the controller sees now: queues and workers as they are,
// arrivals only as far as the metrics have come.
func (e *engine) snapshot(p *pool) procurement.Snapshot {
	p.integrate(e.now)
	used := 0.0
	if p.readyUS > 0 {
		used = min(1, float64(p.busyUS)/float64(p.readyUS))
	}
	c := &p.control
	// Production's pools are balanced: workers pull, so that the least loaded
	// one is used like the mean of them.
	pool := procurement.Pool{
		Ready: p.nReady, Booting: p.nBooting, Draining: p.nDraining, RunnersEach: p.runners, BusyRunners: p.running,
		Used: used, UsedLeast: used, QueuedMS: p.backlog(e.now, e.cfg.AsDeployed != nil).WaitingMS, IdleSeconds: p.idleSeconds(e.now),
	}
	if e.cfg.Spot.Availability != nil {
		pool.SpotReady, pool.SpotBooting = p.countSpot()
		pool.SpotLost, p.spotLost = p.spotLost, 0
	}
	if e.cfg.AsDeployed != nil {
		pool = p.observe(e.now, pool)
	}
	p.busyUS, p.readyUS = 0, 0
	arrived, to := c.covered(e.now - e.cfg.MetricDelay.Microseconds())
	return procurement.Snapshot{
		CoveredTo: epoch.Add(time.Duration(to*second) * time.Microsecond), Arrivals: arrived, Pool: pool,
		ServiceMS: c.serviceMS, DeferMS: e.deferMS(p), WorkerUSDPerHour: c.usdPerHour, FunctionUSD: c.usd,
		OverflowUSD: c.overflowUSD, UnaidedUSD: c.unaidedUSD, FunctionMS: c.functionMS, ColdLate: c.coldLate, SpotUSDPerHour: e.cfg.Spot.usdPerHour(c.usdPerHour),
	}
}

// deferMS is how long a relaxed query waits at most before it is handed over, on average.
func (e *engine) deferMS(p *pool) float64 {
	return e.cfg.meanByModel(p.cfg, true, func(model int, boundMS float64) float64 {
		deadline := micros(boundMS - e.cfg.Settings.PathMS)
		return max(0, float64(e.relaxedOverflowAt(&p.cfg.Models[model], deadline, p.control.warm[model]))/1000)
	})
}

// covered returns the whole seconds up to a time that were not shown yet, and
// where they end.
func (c *control) covered(upTo int64) ([]procurement.Second, int64) {
	to := max(c.firstSecond, upTo/second)
	n := int(to - c.firstSecond)
	for len(c.seconds) < n {
		c.seconds = append(c.seconds, procurement.Second{})
	}
	out := slices.Clone(c.seconds[:n])
	c.seconds = c.seconds[:copy(c.seconds, c.seconds[n:])]
	c.firstSecond = to
	return out, to
}

// idleSeconds reports how long each idle worker has been so, longest first.
func (p *pool) idleSeconds(now int64) []float64 {
	out := p.control.idle[:0]
	for i := range p.workers {
		if w := &p.workers[i]; w.state == ready && w.free == p.all {
			out = append(out, float64(now-w.idleFrom)/float64(second))
		}
	}
	slices.SortFunc(out, func(a, b float64) int {
		if a > b {
			return -1
		}
		return 1
	})
	p.control.idle = out
	return out
}
