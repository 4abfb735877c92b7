package simulate

import (
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// arrive takes a query, and with the last of a request brings it.
func (e *engine) arrive() {
	if e.gather() {
		e.bring()
	}
}

// bring sends the queries of a request to a worker, and places each.
func (e *engine) bring() {
	items := e.front.gathered
	e.front.gathered = 0
	if items == 0 {
		return
	}
	e.turnHour()
	id := int32(-1)
	for range items {
		draw := e.mix.Uint64()
		p := e.pools[0]
		if len(e.pools) > 1 {
			p = e.pools[e.poolFor(e.mix.Float64())]
		}
		if id < 0 && e.cfg.AsDeployed != nil {
			id = e.send(p, items)
		}
		e.take(p, draw, id)
	}
}

// take draws what a query is and places it.
func (e *engine) take(p *pool, draw uint64, request int32) {
	j := e.query(p, draw)
	j.request = request
	j.service = e.serviceOf(p, j.model)
	m := &p.cfg.Models[j.model]
	if e.sized != nil {
		if j.counted {
			e.sized(j, m)
		}
		return
	}
	j.handover = e.functionLast(m, j.deadline, false)
	if !j.strict {
		j.handover = e.relaxedOverflowAt(m, j.deadline, p.control.warm[j.model])
	}
	if j.counted {
		e.inSystem++
		e.class(&j).Arrived++
		e.class(&j).AccuracyPoints += m.Accuracy
		e.result.LeastUSD += p.cfg.leastUSD(m, j.service, e.leastFactor)
	}
	p.control.count(e.now, j.strict)
	e.place(p, j, m)
}

func (e *engine) poolFor(x float64) int {
	for i, s := range e.shares {
		if x < s {
			return i
		}
	}
	return len(e.shares) - 1
}

// place sends a query to a free runner, to the queue, or to a function. By
// definition workers share one queue, and the work in all of it and on all
// runners is known.
func (e *engine) place(p *pool, j job, m *Model) {
	if e.cfg.AsDeployed != nil {
		e.admit(p, j)
		return
	}
	if e.refused(p, &j) {
		e.reject(&j)
		return
	}
	w := p.freeWorker()
	if w >= 0 && p.strict.n == 0 {
		e.run(p, w, j)
		return
	}
	if e.cfg.NoDefer && p.control.rule(j.strict) == procurement.AtBound {
		e.overflow(p, &j, false)
		return
	}
	if !j.strict {
		e.wait(p, &p.relaxed, j)
		return
	}
	ask := placement.Ask{
		Class: query.Strict, BudgetMS: float64(j.deadline-e.now) / 1000, ServiceMS: max(m.P99MS, m.ServiceMS),
		OverflowAllowed: p.control.strict == procurement.AtBound,
	}
	if placement.Place(ask, p.capacity, p.backlog(e.now, false).StrictMS).Route == placement.ToOverflow {
		e.overflow(p, &j, false)
		return
	}
	p.strict.push(j, p.service[j.model])
}

// wait queues a relaxed query, and sees to it that it is handed over in time.
func (e *engine) wait(p *pool, q *queue, j job) {
	q.push(j, p.service[j.model])
	e.arm(p)
}

// arm puts the next hand-over of a relaxed query into the event queue.
func (e *engine) arm(p *pool) {
	if p.armed || p.relaxed.n == 0 || p.control.relaxed != procurement.AtBound || !e.mayOverflow(p, p.relaxed.at(0)) {
		return
	}
	p.armed = true
	e.events.push(event{at: max(e.now, p.relaxed.at(0).handover), kind: handOver, pool: p.id})
}

// handOver moves the relaxed queries that no worker started to functions, at
// the last moment at which these can keep the bound.
func (e *engine) handOver(p *pool) {
	for p.relaxed.n > 0 && p.relaxed.at(0).handover <= e.now && p.control.relaxed == procurement.AtBound && e.mayOverflow(p, p.relaxed.at(0)) {
		j := p.relaxed.pop(p.service)
		e.overflow(p, &j, true)
	}
	e.arm(p)
}

// relaxedOverflowAt is when a relaxed query with a deadline is handed over, by production's
// rule, as its function counts as warm or not.
func (e *engine) relaxedOverflowAt(m *Model, deadline int64, warm bool) int64 {
	slack := int64(0)
	if e.cfg.AsDeployed != nil {
		slack = micros(sizing.HandOverSlackMS)
	}
	last := sizing.FunctionLast(e.functionLast(m, deadline, false), e.functionLast(m, deadline, true), slack, warm)
	return sizing.RelaxedOverflowAt(last, deadline, micros(max(m.P99MS, m.ServiceMS)), e.aheadUS())
}

// functionLast is the last moment at which a function that starts cold, or is warm, keeps a deadline.
func (e *engine) functionLast(m *Model, deadline int64, cold bool) int64 {
	return sizing.LastMoment(deadline-e.overflowExtraUS(), micros(m.FunctionMS), micros(m.ColdMS), cold)
}

// aheadUS is how long a query waits at most in the hands of the worker that took it.
func (e *engine) aheadUS() int64 {
	if e.cfg.AsDeployed == nil {
		return 0
	}
	return micros(e.cfg.Settings.LookAheadMS)
}
