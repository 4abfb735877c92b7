package simulate

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
)

// launch starts a worker that is ready after boot.
func (e *engine) launch(p *pool, boot int64) {
	i := e.launchWorker(p, boot)
	w := &p.workers[i]
	if s := e.cfg.Spot; s.Share > 0 && e.interruptions.Float64() < s.Share {
		w.spot = true
		p.spotAlive++
		if s.InterruptionsPerHour > 0 {
			after := int64(e.interruptions.ExpFloat64() / s.InterruptionsPerHour * 3600 * float64(second))
			e.events.push(event{at: e.now + after, kind: spotNotice, ref: int32(i), generation: w.generation, pool: p.id})
		}
	}
}

// launchWorker starts a worker on demand and returns its place.
func (e *engine) launchWorker(p *pool, boot int64) int {
	i := p.place()
	w := &p.workers[i]
	e.billWorkers(p)
	*w = worker{state: booting, generation: w.generation + 1, billedFrom: e.now}
	p.nBooting++
	if e.now >= e.from {
		e.result.Launched++
	}
	e.events.push(event{at: e.now + boot, kind: workerBoots, ref: int32(i), generation: w.generation, pool: p.id})
	return i
}

// workerBooted makes a worker ready, and gives its runners what waits.
func (e *engine) workerBooted(p *pool, ev event) {
	i := int(ev.ref)
	w := &p.workers[i]
	if w.generation != ev.generation || w.state != booting {
		return
	}
	p.integrate(e.now)
	w.state, w.free, w.idleFrom = ready, p.all, e.now
	p.nBooting--
	p.nReady++
	p.capacity += p.runners
	p.mark(i, true)
	if e.cfg.AsDeployed != nil {
		w.queue = schedule.NewQueue[job](p.runners)
		e.serve(p, i)
		return
	}
	for w.free != 0 {
		j, ok := e.next(p)
		if !ok {
			return
		}
		e.run(p, i, j)
	}
}

// takeBack is a spot interruption: the worker drains on its notice.
func (e *engine) takeBack(p *pool, ev event) {
	w := &p.workers[ev.ref]
	if w.generation != ev.generation || w.state != booting && w.state != ready {
		return
	}
	if e.live {
		e.result.Interrupted++
	}
	p.spotLost++
	e.drain(p, int(ev.ref))
}

// drain takes a worker out: it finishes what it runs and leaves.
func (e *engine) drain(p *pool, i int) {
	w := &p.workers[i]
	e.releaseSpot(w)
	if w.state == booting {
		p.nBooting--
		p.nDraining++
		w.state = draining
		e.leave(p, i)
		return
	}
	p.integrate(e.now)
	w.state = draining
	p.nReady--
	p.nDraining++
	p.capacity -= p.runners
	p.mark(i, false)
	if w.free == p.all {
		e.leave(p, i)
	}
}

// leave ends a worker and its bill, of a minute at least.
func (e *engine) leave(p *pool, i int) {
	w := &p.workers[i]
	e.billWorkers(p)
	start := max(w.billedFrom, e.from)
	if short := int64(e.cfg.MinimumSeconds*float64(second)) - (e.now - start); short > 0 && w.billedFrom >= e.from && e.live {
		e.chargeWorker(p, short, w.spot)
	}
	if w.spot {
		p.spotAlive--
	}
	p.nDraining--
	w.state = absent
	w.generation++
}

// scaleTo brings the number of workers, ready and booting, to n. Who leaves is by
// fleet.LeavingOrder.
func (e *engine) scaleTo(p *pool, n int) {
	have := p.nReady + p.nBooting
	for ; have < n; have++ {
		e.launch(p, e.nextBootUS(p))
	}
	e.drainFirst(p, have-n, func(*worker) bool { return true })
}

// drainFirst drains the first n of the workers of a kind in the order of scale-in.
func (e *engine) drainFirst(p *pool, n int, kind func(*worker) bool) {
	if n <= 0 {
		return
	}
	for _, i := range p.leavingOrder(e.now) {
		if n == 0 {
			return
		}
		if kind(&p.workers[i]) {
			e.drain(p, i)
			n--
		}
	}
}

// leavingOrder lists the workers, ready and booting, by fleet.LeavingOrder. Of those
// with equally much to do the last comes first, as the load gathers on the first ones.
func (p *pool) leavingOrder(now int64) []int {
	var c fleet.Census
	var booted []int // in order of launch
	for i := range slices.Backward(p.workers) {
		switch p.workers[i].state {
		case ready:
			c.Ready = append(c.Ready, p.report(i, now))
		case booting:
			booted = append(booted, i)
		}
	}
	slices.SortFunc(booted, func(a, b int) int {
		return cmp.Or(cmp.Compare(p.workers[a].billedFrom, p.workers[b].billedFrom), a-b)
	})
	for _, i := range booted {
		c.Booting = append(c.Booting, fleet.Report{ID: strconv.Itoa(i)})
	}
	out := make([]int, 0, len(c.Ready)+len(c.Booting))
	for _, id := range fleet.LeavingOrder(c, cap(out)) {
		i, _ := strconv.Atoi(id)
		out = append(out, i)
	}
	return out
}

// report is what a ready worker would say of itself, as far as scale-in goes by it. Its
// id is its place.
func (p *pool) report(i int, now int64) fleet.Report {
	w := &p.workers[i]
	r := fleet.Report{ID: strconv.Itoa(i), Busy: p.runners - bits.OnesCount64(w.free)}
	if q := w.queue; q != nil {
		r.HeldStrict, r.HeldRelaxed = q.Len(query.Strict), q.Len(query.Relaxed)
		r.StrictMS, r.RelaxedMS = q.WorkMS(query.Strict, moment(now)), q.WorkMS(query.Relaxed, moment(now))
	} else {
		for runner := range p.runners {
			s := &p.slots[i*p.runners+runner]
			switch left := float64(s.end-now) / 1000; {
			case w.free&(1<<runner) != 0:
			case s.job.strict:
				r.StrictMS += left
			default:
				r.RelaxedMS += left
			}
		}
	}
	if r.Busy+r.Held() == 0 {
		r.IdleSince = moment(w.idleFrom)
	}
	return r
}

// billWorkers charges the workers' time up to now; it is called before their
// number changes.
func (e *engine) billWorkers(p *pool) {
	from := max(p.billedTo, e.from)
	p.billedTo = e.now
	if e.now <= from || !e.live {
		return
	}
	e.chargeWorkers(p, e.now-from)
	e.chargeWarm(e.now - from)
}

func (e *engine) chargeWorkers(p *pool, us int64) {
	alive := p.nReady + p.nBooting + p.nDraining
	seconds := float64(us) / float64(second)
	full := float64(alive - p.spotAlive)
	e.spend(Bill{Workers: seconds / 3600 * p.cfg.USDPerHour * e.platform.price() * (full + float64(p.spotAlive)*e.cfg.Spot.PriceFactor)})
	e.result.VMSeconds += seconds * float64(alive)
}

func (e *engine) chargeWorker(p *pool, us int64, spot bool) {
	usd := float64(us) / float64(second) / 3600 * p.cfg.USDPerHour * e.platform.price()
	if spot {
		usd *= e.cfg.Spot.PriceFactor
	}
	e.spend(Bill{Workers: usd})
	e.result.VMSeconds += float64(us) / float64(second)
}

// billTail charges a worker that runs something after the last arrival, up to
// now. It is called when a run ends.
func (e *engine) billTail(p *pool, i int) {
	if e.live {
		return
	}
	w := &p.workers[i]
	e.chargeWorker(p, e.now-max(w.busyFrom, e.end), w.spot)
	w.busyFrom = e.now
}

// bill brings every pool's bill up to now.
func (e *engine) bill() {
	for _, p := range e.pools {
		e.billWorkers(p)
	}
}

// turnHour starts a new hour of the result when it is due.
func (e *engine) turnHour() {
	if e.hour != nil && (e.now < e.hourEnd || !e.live) {
		return
	}
	if e.hour == nil {
		e.hour, e.hourEnd = new(Hour), e.from+3600*second
		return
	}
	e.bill()
	for e.now >= e.hourEnd {
		e.result.Hours = append(e.result.Hours, *e.hour)
		*e.hour = Hour{}
		e.hourEnd += 3600 * second
	}
}

// finish adds the hours up.
func (e *engine) finish() Result {
	r := &e.result
	r.Hours = append(r.Hours, *e.hour)
	for _, h := range r.Hours {
		add(&r.Strict, h.Strict)
		add(&r.Relaxed, h.Relaxed)
		r.Bill.add(h.Bill)
	}
	r.InSystem = e.inSystem
	r.Seconds = float64(e.end-e.from) / float64(second)
	r.PriceRatio = e.pools[0].control.priceRatio()
	return *r
}

func add(to *Class, c Class) {
	to.Arrived += c.Arrived
	to.Succeeded += c.Succeeded
	to.Expired += c.Expired
	to.Missed += c.Missed
	to.Rejected += c.Rejected
	to.Overflow += c.Overflow
	to.Inaccurate += c.Inaccurate
	to.Downgraded += c.Downgraded
	to.AccuracyPoints += c.AccuracyPoints
}
