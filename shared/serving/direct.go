package serving

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/platform"
)

// reply is what becomes of a query that is held in its request.
type reply struct {
	outcome query.Outcome
	err     error
}

// Answer implements intake.Worker: it runs a query that came by its request,
// if that would end by the time given. Nothing of it is queued or stored.
func (w *Worker) Answer(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error) {
	l := &lease{d: platform.Delivery{Message: m, Receives: 1}, reply: make(chan reply, 1)}
	l.ctx, l.lose = context.WithCancel(ctx)
	defer l.lose()
	if p, ok := w.offer(l, by); !ok {
		return query.Outcome{}, &schedule.NoSlot{PredictedMS: max(0, query.Milliseconds(p.LatestAt.Sub(w.Now())))}
	}
	defer w.inRequest.Done()
	w.evict() // it may have made a relaxed query of the queue's late
	w.startHere(l)
	select {
	case r := <-l.reply:
		return r.outcome, r.err
	case <-ctx.Done():
		w.abandon(l)
		return query.Outcome{}, context.Cause(ctx)
	}
}

// shortRunMS is the highest p99 of a short run. During such a run the process does not notice that
// the caller has left or waits no longer.
const shortRunMS = 5

// short reports whether a run of one query is known to be short: also its model is loaded.
func short(r schedule.Run[*lease]) bool {
	work := r.Works[0]
	return work.P99MS > 0 && work.P99MS <= shortRunMS && !work.DeadlineAt.Before(r.Items[0].d.Message.DeadlineAt)
}

// startHere is start for the request that holds l. A short run of it takes the request's
// goroutine, which would only wait for it: to wake another thread for the run and then
// this one for the answer takes longer than the run of a small model.
func (w *Worker) startHere(l *lease) {
	r, mine := w.startBut(l)
	if !mine {
		return
	}
	defer w.work.Done()
	defer w.endProcess()
	w.run(r)
}

// endProcess has a panic end the process, as in a goroutine of a run's own: net/http would
// recover, and the runner be taken for ever.
func (w *Worker) endProcess() {
	if p := recover(); p != nil {
		w.Log.Error("a run panicked", "worker", w.ID, "panic", p, "stack", string(debug.Stack()))
		go panic(p)
		select {}
	}
}

// offer admits a query to the run queue, unless the worker has none to offer.
func (w *Worker) offer(l *lease, by time.Time) (schedule.Prediction, bool) {
	work, now := w.workOf(l.d.Message), w.Now()
	loads := l.d.Message.DeadlineAt.Sub(work.DeadlineAt)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.serves || w.fenced {
		return schedule.Prediction{LatestAt: now}, false
	}
	if open, broken := w.Breakers.IsOpen(work.Model, now); broken { // a peer or a function is not
		return schedule.Prediction{LatestAt: open.Until}, false
	}
	p, ok := w.queue.Admit(now, work, by.Add(-loads), l)
	p.LatestAt = p.LatestAt.Add(loads)
	if ok {
		l.expect(p, now, w.ID)
		_, l.wait = w.Traces.Child(l.ctx, "wait")
		w.inRequest.Add(1)
		w.directly++
		w.notifyLocked()
	}
	return p, ok
}

// expect notes when an admitted query is predicted to be answered, behind what
// runs and waits at this moment.
func (l *lease) expect(p schedule.Prediction, now time.Time, worker string) {
	l.predictedMS = query.Milliseconds(p.EndsAt.Sub(now))
	why := placement.Choice{Reason: placement.SlotInTime, PredictedMS: l.predictedMS}.String()
	l.d.Message.Trail = l.d.Message.Trail.Add(query.Step{At: now, Event: query.StepPlaced, Where: worker, Why: why})
}

// abandon takes a query off the run queue whose caller has left. One that runs
// goes on, for nobody.
func (w *Worker) abandon(l *lease) {
	w.mu.Lock()
	waiting := w.queue.Remove(func(o *lease) bool { return o == l })
	w.mu.Unlock()
	if len(waiting) > 0 {
		l.wait.End()
		w.notify()
	}
}

// evicted gives a query back to the request that holds it: others became more
// urgent, and it would be late here.
func (w *Worker) evicted(late schedule.Late[*lease]) {
	late.Item.wait.End()
	late.Item.reply <- reply{err: &schedule.NoSlot{PredictedMS: query.Milliseconds(late.StartsIn), Evicted: true}}
}

// Load implements intake.Worker.
func (w *Worker) Load() (runners int, aheadMS float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.serves || w.fenced {
		return 0, 0
	}
	return w.Runners, w.queue.WorkMS(query.Strict, w.Now())
}
