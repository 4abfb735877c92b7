package simulate

import (
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// run starts a query on a worker that has a free runner.
func (e *engine) run(p *pool, w int, j job) {
	i := p.occupy(w, e.now)
	end := e.begin(p, i, j)
	e.events.push(event{at: end, kind: runEnds, ref: int32(i), pool: p.id})
}

// begin puts a query, and those that join its batch, on a runner and returns
// when it ends.
func (e *engine) begin(p *pool, i int, j job) int64 {
	p.integrate(e.now)
	s := &p.slots[i]
	s.job, s.end = j, e.now+j.service
	if most := p.cfg.Models[j.model].BatchMax; most > 1 {
		s.end = e.now + e.batch(p, s, most)
	}
	p.running++
	p.endSum += s.end
	return s.end
}

// serviceOf draws how long a query of a model takes on a runner: the p50, or a
// lognormal draw through p50 and p99. It is drawn on arrival, so that every
// schedule meets the same queries.
func (e *engine) serviceOf(p *pool, model int32) int64 {
	m := &p.cfg.Models[model]
	if m.P99MS <= m.ServiceMS {
		return p.service[model]
	}
	sigma := math.Log(m.P99MS/m.ServiceMS) / 2.3263
	return max(1, micros(m.ServiceMS*math.Exp(sigma*e.noise.NormFloat64())))
}

// batch takes queries of the same model that are next in the query's queue, as
// far as all still keep their bounds, and returns how long the run takes.
func (e *engine) batch(p *pool, s *slot, most int) int64 {
	q := &p.relaxed
	if s.job.strict {
		q = &p.strict
	}
	m := &p.cfg.Models[s.job.model]
	s.more = s.more[:0]
	for q.n > 0 && len(s.more)+1 < most && q.at(0).model == s.job.model {
		if e.now+micros(m.BatchMS*float64(len(s.more)+2)) > min(s.job.deadline, q.at(0).deadline) {
			break
		}
		s.more = append(s.more, q.pop(p.service))
	}
	if len(s.more) == 0 {
		return s.job.service
	}
	return micros(m.BatchMS * float64(len(s.more)+1))
}

// runEnds answers the queries of a run and gives the runner its next one.
func (e *engine) runEnds(p *pool, ev event) {
	i := int(ev.ref)
	if e.cfg.AsDeployed != nil {
		e.heldRunEnds(p, i)
		return
	}
	w := i / p.runners
	e.billTail(p, w)
	e.answerRun(p, &p.slots[i])
	if p.workers[w].state == ready {
		if j, ok := e.next(p); ok {
			e.events.replace(event{at: e.begin(p, i, j), kind: runEnds, ref: ev.ref, pool: p.id})
			return
		}
	}
	e.events.pop()
	e.runnerIdle(p, w, i%p.runners)
}

// answerRun answers the queries of a run that ends.
func (e *engine) answerRun(p *pool, s *slot) {
	p.integrate(e.now)
	p.running--
	p.endSum -= s.end
	e.answered(&s.job)
	for k := range s.more {
		e.answered(&s.more[k])
	}
	s.more = s.more[:0]
}

// runnerIdle leaves a runner idle.
func (e *engine) runnerIdle(p *pool, w, r int) {
	wk := &p.workers[w]
	wk.free |= 1 << r
	if wk.free == p.all {
		wk.idleFrom = e.now
	}
	switch {
	case wk.state == ready:
		p.mark(w, true)
	case wk.free == p.all:
		e.leave(p, w)
	}
}

// next takes what should start now: strict before relaxed. A strict query that
// would miss its bound here is handed over while a function can still keep it;
// what has expired ends.
func (e *engine) next(p *pool) (job, bool) {
	for p.strict.n > 0 {
		j := p.strict.pop(p.service)
		late := e.now+p.service[j.model] > j.deadline
		switch {
		case late && e.expired(&j):
		case late && p.control.strict == procurement.AtBound && e.now <= j.handover:
			e.overflow(p, &j, true)
		default:
			return j, true
		}
	}
	for p.relaxed.n > 0 {
		j := p.relaxed.pop(p.service)
		if e.now <= j.deadline || !e.expired(&j) {
			return j, true
		}
	}
	return job{}, false
}

// expired ends a query that has outlived its time, and reports whether it did.
func (e *engine) expired(j *job) bool {
	bound := float64(j.deadline-j.at+e.path) / 1000
	var accepted time.Time
	if e.now < j.at+query.ExpiresAt(accepted, bound).Sub(accepted).Microseconds() {
		return false
	}
	e.close(j)
	if j.counted {
		c := e.class(j)
		c.Expired++
		c.Missed++
		e.inSystem--
	}
	return true
}

// answered counts a query that a worker has answered now.
func (e *engine) answered(j *job) {
	e.close(j)
	if !j.counted {
		return
	}
	c := e.class(j)
	c.Succeeded++
	if e.now > j.deadline {
		c.Missed++
	}
	e.inSystem--
	if m := e.cfg.Machinery; e.held(j, e.now) {
		e.spend(Bill{Machinery: m.DirectUSD, Paths: Paths{Direct: m.DirectUSD}, Gateway: m.GatewayUSD})
	} else {
		e.spend(Bill{Machinery: m.AsyncUSD, Paths: Paths{Asynchronous: m.AsyncUSD}, Gateway: m.GatewayUSD})
	}
}

// longestWaitUS is how long a request waits for its answer: a relaxed query that
// takes longer, or longer than its bound, has been answered by a 202.
func (e *engine) longestWaitUS() int64 { return int64(e.cfg.Settings.MaxWaitSeconds * float64(second)) }

// held reports whether a query that is answered then is answered in its request.
// The caller of a strict one waits in any case, and that of a query that went to
// the work queue has a 202.
func (e *engine) held(j *job, then int64) bool {
	return j.strict || !j.accepted && then <= j.deadline && then-j.at+e.path <= e.longestWaitUS()
}

// overflow answers a query by an inference function, from now on.
func (e *engine) overflow(p *pool, j *job, waited bool) {
	m := &p.cfg.Models[j.model]
	e.overflowed++
	id := e.function(p, j)
	end, usd := e.now+micros(m.FunctionMS), m.USD
	way, cold := e.way(j, m, waited), e.calls.take(id, e.now)
	if cold {
		end, usd = end+micros(m.ColdMS), m.ColdUSD
	}
	if e.calls.coldStarts {
		e.events.push(event{at: end, kind: environmentFree, ref: int32(id), pool: p.id})
	}
	if e.limited() {
		if way == byQueue || !e.held(j, end) {
			end += e.overflowExtraUS()
		}
		e.onFunctions++
		e.events.push(event{at: end, kind: functionEnds, ref: j.request, pool: p.id})
	}
	if !j.counted {
		return
	}
	c := e.class(j)
	c.Succeeded++
	c.Overflow++
	if end > j.deadline {
		c.Missed++
	}
	e.inSystem--
	bill := e.overflowMachinery(j, way, end)
	bill.Functions = usd
	if waited {
		e.result.Bounced++
	}
	if cold {
		e.result.Cold++
	}
	e.spend(bill)
}

// overflowMachinery is what is paid besides the function for a query that one
// answers at that time.
func (e *engine) overflowMachinery(j *job, w way, end int64) Bill {
	m := e.cfg.Machinery
	if !e.held(j, end) {
		usd := m.AsyncUSD + m.HandoverUSD
		return Bill{Machinery: usd, Paths: Paths{Asynchronous: usd}, Gateway: m.GatewayUSD}
	}
	usd := m.OverflowUSD
	switch w {
	case unaided:
		usd = m.UnaidedUSD
	case invoked:
		usd = m.InvokedUSD
	}
	return Bill{Machinery: usd, Paths: Paths{Overflow: usd}, Gateway: m.GatewayUSD}
}

// way is how a query that is held in its request gets to a function.
type way int

const (
	byQueue way = iota // as the stage's setting says
	unaided            // no worker is ready: the api function has it, and invokes the function
	invoked            // by the worker that has the request, as the queue would be too slow
)

// way is that of a query to its function; what waited on a worker's queue goes on by
// the stage's.
func (e *engine) way(j *job, m *Model, waited bool) way {
	switch extra := e.overflowExtraUS(); {
	case e.cfg.AsDeployed == nil || j.request < 0:
		return byQueue
	case e.front.requests[j.request].worker < 0:
		return unaided
	case !waited && sizing.TooSlowByQueue(j.deadline-e.now, micros(m.FunctionMS), 0, extra):
		return invoked
	}
	return byQueue
}

// function is the number of the function that answers a query's model.
func (e *engine) function(p *pool, j *job) int { return int(p.id)*e.widest + int(j.model) }

func (e *engine) class(j *job) *Class {
	if j.strict {
		return &e.hour.Strict
	}
	return &e.hour.Relaxed
}

func (e *engine) spend(b Bill) { e.hour.Bill.add(b) }
