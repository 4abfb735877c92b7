package simulate

import (
	"math"
	"math/bits"
	"time"

	"paragon/shared/core/procurement"
	"paragon/shared/core/query"
	"paragon/shared/core/schedule"
	"paragon/shared/core/sizing"
)

// In a run that stands for a home each worker has the run queue of production,
// and admission is its own. The balancer gives a query to the worker with the
// fewest outstanding ones. What that one does not admit goes to a function, if
// the class may overflow, or to the pool's work queue, from which workers take
// it when they have room.

// longestHeld is the longest that a caller's request is held open for a relaxed
// query; one that takes longer goes to the work queue.
const longestHeld = 25 * time.Second

// admit offers a query to a worker, and places it elsewhere if that has no slot
// for it in time.
func (e *engine) admit(p *pool, j job) {
	overflows := p.control.rule(j.strict) == procurement.AtBound
	w := p.leastOutstanding()
	if w >= 0 && (p.workers[w].free != 0 || !e.cfg.NoDefer || !overflows) {
		if e.hold(p, w, j) {
			e.startHeld(p, w)
			return
		}
	}
	switch {
	case overflows && (j.strict || e.cfg.NoDefer):
		e.overflow(p, &j, false)
	case j.strict:
		p.strict.push(j, p.service[j.model])
	default:
		e.wait(p, &p.relaxed, j)
	}
}

// hold puts a query into a worker's queue if it ends in time there, or if it
// starts at once: no other worker is faster.
func (e *engine) hold(p *pool, w int, j job) bool {
	q, now, work := p.workers[w].queue, moment(e.now), p.work(&j)
	by := work.DeadlineAt
	if last := moment(j.at).Add(longestHeld); !j.strict && last.Before(by) {
		by = last
	}
	prediction, ok := q.Admit(now, work, by, j)
	if !ok && prediction.AtOnce {
		q.Add(work, j)
		ok = true
	}
	if ok {
		p.countHeld(w, &j, 1)
	}
	return ok
}

// work is what scheduling needs to know of a query.
func (p *pool) work(j *job) schedule.Work {
	m := &p.cfg.Models[j.model]
	w := schedule.Work{
		Class: query.Relaxed, Model: m.Name, DeadlineAt: moment(j.deadline), P50MS: m.ServiceMS, P99MS: max(m.P99MS, m.ServiceMS),
		BatchMax: m.BatchMax, BatchEachMS: m.BatchMS,
	}
	if j.strict {
		w.Class = query.Strict
		return w
	}
	warm := sizing.LastMoment(j.deadline, micros(m.FunctionMS), 0, false)
	w.HandOverAt, w.HandOverBy = moment(j.handover), moment(warm)
	return w
}

// leastOutstanding is the ready worker with the fewest queries running and
// held; equals take turns. -1 when none is ready.
func (p *pool) leastOutstanding() int {
	least := -1
	p.turn++
	for k := range p.workers {
		i := (p.turn + k) % len(p.workers)
		if w := &p.workers[i]; w.state == ready && (least < 0 || w.outstanding < p.workers[least].outstanding) {
			least = i
		}
	}
	return least
}

// countHeld counts queries that come into a worker's queue, or leave it.
func (p *pool) countHeld(w int, j *job, n int) {
	p.held += n
	p.heldU += int64(n) * p.service[j.model]
	p.workers[w].outstanding += n
}

// startHeld starts what a worker's free runners can.
func (e *engine) startHeld(p *pool, w int) {
	wk := &p.workers[w]
	for {
		r, ok := wk.queue.Start(moment(e.now), math.MaxInt)
		if !ok {
			return
		}
		for k := range r.Items {
			p.countHeld(w, &r.Items[k], -1)
		}
		wk.outstanding += len(r.Items)
		runner := bits.TrailingZeros64(wk.free)
		wk.free &^= 1 << runner
		if wk.free == 0 {
			p.mark(w, false)
		}
		i := w*p.runners + runner
		e.runHeld(p, i, r)
		e.agenda.push(event{at: p.slots[i].end, kind: runEnds, ref: int32(i), pool: p.id})
	}
}

// runHeld puts a run of a worker's queue on a runner.
func (e *engine) runHeld(p *pool, i int, r schedule.Run[job]) {
	p.integrate(e.now)
	s := &p.slots[i]
	s.job, s.more, s.ticket = r.Items[0], append(s.more[:0], r.Items[1:]...), r.Ticket
	takes := e.serviceOf(p, s.job)
	if n := len(r.Items); n > 1 {
		takes = micros(p.cfg.Models[s.job.model].BatchMS * float64(n))
	}
	s.end = e.now + takes
	p.running++
	p.endSum += s.end
}

// heldRunEnds frees a runner and gives it the worker's next query.
func (e *engine) heldRunEnds(p *pool, i int) {
	e.agenda.pop()
	w, runner := i/p.runners, i%p.runners
	wk := &p.workers[w]
	wk.queue.Done(p.slots[i].ticket, moment(e.now))
	wk.outstanding -= 1 + len(p.slots[i].more)
	wk.free |= 1 << runner
	e.answerRun(p, &p.slots[i])
	e.serve(p, w)
	if wk.free&(1<<runner) != 0 {
		e.rest(p, w, runner)
	}
}

// serve lets a worker take what it has room for, hand over what would be late,
// and start what it can.
func (e *engine) serve(p *pool, w int) {
	if p.workers[w].state == ready {
		e.receive(p, w, query.Strict, &p.strict)
		e.receive(p, w, query.Relaxed, &p.relaxed)
	}
	e.handOverHeld(p, w)
	e.startHeld(p, w)
}

// receive takes queries from a work queue while the worker has room for them.
func (e *engine) receive(p *pool, w int, class query.Class, from *queue) {
	q, ahead := p.workers[w].queue, query.Duration(e.cfg.Settings.LookAheadMS)
	for from.n > 0 {
		if n, _ := q.Room(class, moment(e.now), ahead, p.cfg.Models[from.at(0).model].ServiceMS); n == 0 {
			return
		}
		if j := from.pop(p.service); !e.expired(&j) {
			q.Add(p.work(&j), j)
			p.countHeld(w, &j, 1)
		}
	}
}

// handOverHeld sends to functions what a worker holds and would answer too
// late, as far as its class may overflow.
func (e *engine) handOverHeld(p *pool, w int) {
	q, now := p.workers[w].queue, moment(e.now)
	var late []schedule.Late[job]
	if p.control.strict == procurement.AtBound {
		late = q.EvictLate(now)
	}
	if p.control.relaxed == procurement.AtBound {
		late = append(late, q.EvictDue(now)...)
	}
	for k := range late {
		p.countHeld(w, &late[k].Item, -1)
		e.overflow(p, &late[k].Item, true)
	}
}
