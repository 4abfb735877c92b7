package serving

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// admit takes deliveries in hand: finished and expired ones are ended, the
// others go into the queue, from which what is too late is handed over and what
// cannot start soon is given back. It returns how many were handed over.
func (w *Worker) admit(ctx context.Context, ds []platform.Delivery) int {
	taken, fresh := w.take(ds)
	var away []*lease
	if len(fresh) > 0 {
		received := w.began(taken, "receive")
		call, cancel := context.WithTimeout(w.life, w.leaseTime())
		run, _, err := w.settler.Runnable(call, fresh)
		cancel()
		ended(received)
		if err != nil {
			w.Log.Warn("gave messages back", "worker", w.ID, "messages", len(fresh), "error", err)
			w.release(taken)
			pause(ctx, nil, errorPause)
			return 0
		}
		away = w.enqueue(taken, run)
	}
	handedOver := w.evict()
	w.start()
	if w.turnAway(away) && len(away) == len(taken) {
		w.yields(ctx, taken[0].d.Message.Class)
	}
	return handedOver
}

// take leases deliveries, each query once.
func (w *Worker) take(ds []platform.Delivery) (taken []*lease, fresh []platform.Delivery) {
	now := w.Now()
	for _, d := range ds {
		if l := w.leases.add(w.Traces.Continue(w.life, d.Message.Trace), d, now, w.leaseOf(d.Message.Class)); l != nil {
			taken, fresh = append(taken, l), append(fresh, d)
		}
	}
	return taken, fresh
}

// enqueue puts those leases into the queue that are to be run, and drops the others. It
// returns those that this worker does not run now, as their model's runs fail here.
func (w *Worker) enqueue(taken []*lease, run []platform.Delivery) (away []*lease) {
	runnable := make(map[string]bool, len(run))
	for _, d := range run {
		runnable[d.Message.ID] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range taken {
		if !runnable[l.d.Message.ID] {
			w.leases.drop(l)
			continue
		}
		if _, broken := w.Breakers.IsOpen(l.d.Message.Model, w.Now()); broken {
			away = append(away, l)
			continue
		}
		_, l.wait = w.Traces.Child(l.ctx, "wait")
		w.queue.Add(w.workOf(l.d.Message), l)
	}
	w.notifyLocked()
	return away
}

// workOf says what a message is to the run queue. A model without a service time
// here counts as immediate. One that is not loaded yet leaves its queries so much
// less time.
func (w *Worker) workOf(m query.Message) schedule.Work {
	work := schedule.Work{Class: m.Class, Owner: m.Owner, Model: m.Model, DeadlineAt: m.DeadlineAt.Add(-w.loads(m.Model)), Pinned: m.Pinned, Large: m.Input.Decoding.Large()}
	work.OverflowAt, work.OverflowBy = w.relaxedOverflowWindow(m)
	catalogue := w.Catalogue.Current()
	p, ok := catalogue.ModelDecoding(m.Model, m.Input.Decoding)
	if !ok {
		return work
	}
	if st, ok := catalogue.OnVM(p, w.InstanceType); ok {
		work.P50MS, work.P99MS = st.MS.P50, st.MS.P99
	}
	if b, ok := catalogue.BatchOnVM(p, w.InstanceType, w.Settings().MaxBatch); ok {
		work.BatchMax, work.BatchEachMS = b.Max, b.PerQueryMS
	}
	return work
}

// evict hands over what would be late here and gives back what cannot start
// within the look-ahead. It returns how many it hands over.
func (w *Worker) evict() int {
	s, now, may := w.Settings(), w.Now(), w.allowed()
	w.mu.Lock()
	late := w.queue.EvictOverflow(now, may.strict, may.relaxed)
	var keep time.Time
	if may.relaxed {
		keep = now.Add(near)
	}
	surplus := w.queue.EvictSurplus(now, query.Duration(s.LookAheadMS), keep)
	w.handedOver += int64(len(late))
	for _, l := range late {
		if l.Item.reply != nil {
			w.evicted(l)
		} else {
			w.work.Go(func() { w.handOver(l.Item, l.Why()) })
		}
	}
	if len(surplus) > 0 {
		w.work.Go(func() { w.release(surplus) })
	}
	w.mu.Unlock()
	return len(late)
}

// handOver hands a query over to the inference functions, and says why.
func (w *Worker) handOver(l *lease, why string) {
	l.wait.End()
	w.leases.pass(l)
	defer l.lose()
	ctx, cancel := context.WithTimeout(l.ctx, w.leaseTime())
	defer cancel()
	ctx, span := w.Traces.Child(ctx, "overflow")
	defer span.End()
	w.annotate(span, l)
	if carried := w.Traces.Carry(ctx); carried != "" {
		l.d.Message.Trace = carried
	}
	step := query.Step{At: w.Now(), Event: query.StepDeclined, Where: w.ID, Why: why}
	var err error
	if w.Overflow == nil || w.Overflow(ctx, l.d.Message) {
		err = w.settler.Pass(ctx, l.d, platform.Overflow, settle.Attempts(l.d), step)
	} else { // it waits for a worker, late
		step.Why += "; the limits on overflow allow no more queries"
		err = w.settler.Pin(ctx, l.d, l.d.Queue, settle.Attempts(l.d), step)
	}
	if err != nil {
		w.Log.Warn("could not send a query to the functions", "worker", w.ID, "query", l.d.Message.ID, "error", err)
	}
}

// release gives messages back at once. Should that fail, their leases' end
// does it.
func (w *Worker) release(ls []*lease) {
	if len(ls) == 0 {
		return
	}
	ds := make([]platform.Delivery, len(ls))
	for i, l := range ls {
		l.wait.End()
		ds[i] = l.d
		w.leases.drop(l)
	}
	call, cancel := context.WithTimeout(w.life, w.leaseTime())
	defer cancel()
	if err := w.Queues.Release(call, ds...); err != nil {
		w.Log.Warn("could not release", "worker", w.ID, "messages", len(ds), "error", err)
	}
}
