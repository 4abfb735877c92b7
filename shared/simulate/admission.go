package simulate

import (
	"math"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// In a run that stands for a backend each worker has the run queue of production,
// and admission is its own. What the worker that has a request does not admit is
// offered once to a peer, and then goes to a function, if the class may overflow
// and the stage's limit lets it, or to the pool's work queue, from which workers
// take it when they have room.

// admit offers a query to a worker, and places it elsewhere if that has no slot
// for it in time.
func (e *engine) admit(p *pool, j job) {
	overflows := p.control.rule(j.strict) == procurement.AtBound && e.mayOverflow(p, &j)
	endMS := math.Inf(1) // on the worker that has the request, if there is one
	for offer := range 2 {
		w := e.front.requests[j.request].worker
		if offer > 0 {
			w = e.peerFor(p, &j)
		}
		if w < 0 || e.cfg.NoDefer && overflows && p.workers[w].free == 0 {
			continue
		}
		held, prediction := e.hold(p, w, j)
		if held {
			e.startHeld(p, w)
			return
		}
		if offer == 0 {
			endMS = query.Milliseconds(prediction.LatestAt.Sub(moment(e.now)))
		}
	}
	if w := e.front.requests[j.request].worker; e.instead(p, w, j) {
		e.startHeld(p, w)
		return
	}
	ask := placement.Ask{Class: j.class(), BudgetMS: float64(j.deadline-e.now) / 1000, OverflowAllowed: overflows, RelaxedOverflow: overflows}
	switch {
	case overflows && e.cfg.NoDefer, placement.PlaceFromWorker(ask, endMS).Route == placement.ToOverflow:
		e.overflow(p, &j, false)
	case j.strict:
		p.strict.push(j, p.service[j.model])
	default:
		e.accept(p, j)
	}
}

// accept answers a relaxed query's request by a 202 and puts it into the work queue.
func (e *engine) accept(p *pool, j job) {
	e.close(&j)
	j.accepted = true
	e.wait(p, &p.relaxed, j)
}

// hold puts a query into a worker's queue if it ends in time there, or if it
// starts at once: no other worker is faster. It says when the query would end.
func (e *engine) hold(p *pool, w int, j job) (bool, schedule.Prediction) {
	q, now, work := p.workers[w].queue, moment(e.now), p.work(&j, e.overflowExtraUS())
	by := work.DeadlineAt
	if last := moment(j.at + e.longestWaitUS()); !j.strict && last.Before(by) {
		by = last
	}
	prediction, ok := q.Admit(now, work, by, j)
	if !ok && prediction.AtOnce {
		q.Add(work, j)
		ok = true
	}
	if ok {
		p.held++
		e.watchHeld(p, w, &j)
	}
	return ok, prediction
}

// work is what scheduling needs to know of a query; extraUS is by how much the
// way to a function is longer than that to a worker.
func (p *pool) work(j *job, extraUS int64) schedule.Work {
	m := &p.cfg.Models[j.model]
	w := schedule.Work{
		Class: j.class(), Model: m.Name, DeadlineAt: moment(j.deadline), P50MS: m.ServiceMS, P99MS: max(m.P99MS, m.ServiceMS),
		BatchMax: m.BatchMax, BatchEachMS: m.BatchMS,
	}
	if j.strict {
		return w
	}
	warm := sizing.LastMoment(j.deadline-extraUS, micros(m.FunctionMS), 0, false)
	w.OverflowAt, w.OverflowBy = moment(j.handover), moment(warm)
	return w
}

// startHeld starts what a worker's free runners can.
func (e *engine) startHeld(p *pool, w int) {
	wk := &p.workers[w]
	for {
		r, ok := wk.queue.Start(moment(e.now), math.MaxInt)
		if !ok {
			return
		}
		p.held -= len(r.Items)
		i := p.occupy(w, e.now)
		e.runHeld(p, i, r)
		e.events.push(event{at: p.slots[i].end, kind: runEnds, ref: int32(i), pool: p.id})
	}
}

// runHeld puts a run of a worker's queue on a runner.
func (e *engine) runHeld(p *pool, i int, r schedule.Run[job]) {
	p.integrate(e.now)
	s := &p.slots[i]
	s.job, s.more, s.ticket = r.Items[0], append(s.more[:0], r.Items[1:]...), r.Ticket
	takes := s.job.service
	if n := len(r.Items); n > 1 {
		takes = micros(p.cfg.Models[s.job.model].BatchMS * float64(n))
	}
	s.end = e.now + takes
	p.running++
	p.endSum += s.end
}

// heldRunEnds frees a runner and gives it the worker's next query.
func (e *engine) heldRunEnds(p *pool, i int) {
	e.events.pop()
	w, runner := i/p.runners, i%p.runners
	e.billTail(p, w)
	wk := &p.workers[w]
	wk.queue.Done(p.slots[i].ticket, moment(e.now))
	wk.free |= 1 << runner
	e.answerRun(p, &p.slots[i])
	e.serve(p, w)
	if wk.free&(1<<runner) != 0 {
		e.runnerIdle(p, w, runner)
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
			q.Add(p.work(&j, e.overflowExtraUS()), j)
			p.held++
			e.watchHeld(p, w, &j)
		}
	}
}

// watchHeld has a worker check for hand-overs when a relaxed query that it holds is
// due, as a full one does every bounce_poll_ms.
func (e *engine) watchHeld(p *pool, w int, j *job) {
	if !j.strict {
		e.events.push(event{at: max(e.now, j.handover), kind: heldIsDue, ref: int32(w), generation: p.workers[w].generation, pool: p.id})
	}
}

// handOverHeld sends to functions what a worker holds and would answer too
// late, as far as its class may overflow. What the stage's limit does not let
// goes to the pool's work queues.
func (e *engine) handOverHeld(p *pool, w int) {
	q, now := p.workers[w].queue, moment(e.now)
	may := e.underLimit()
	late := q.EvictOverflow(now, may && p.control.strict == procurement.AtBound, may && p.control.relaxed == procurement.AtBound)
	for k := range late {
		j := &late[k].Item
		p.held--
		switch {
		case e.instead(p, w, *j):
		case e.mayOverflow(p, j):
			e.overflow(p, j, true)
		case j.strict:
			p.strict.push(*j, p.service[j.model])
		default:
			e.accept(p, *j)
		}
	}
}
