package serving

import (
	"errors"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/engine/answer"
)

// shadowTicket is the ticket of a run in shadow: the run queue gives others.
const shadowTicket = -1

// shadowOf is the version that runs in shadow on a query that was answered in its request;
// empty where none does.
func (w *Worker) shadowOf(l *lease, served answer.Answered, r ran) string {
	if served.Err != nil || r.batch > 1 {
		return ""
	}
	return w.Catalogue.Current().InShadow(l.d.Message.Model, l.d.Message.ID)
}

// shadow runs a version in shadow on a query that was answered in its request, if this
// worker has a free runner with nothing waiting, and counts how it went compared with the
// run that answered. It is one at a time and
// takes no place in the run queue: a query that comes meanwhile starts as if it were not
// there, and is not sent elsewhere because of it. Nothing of the query is kept.
func (w *Worker) shadow(l *lease, version string, served answer.Answered, r ran) {
	m := l.d.Message
	if _, broken := w.Breakers.IsOpen(version, w.Now()); broken || !w.beginShadow() {
		return
	}
	defer w.endShadow()
	m.Model = version
	again := lease{d: l.d}
	again.d.Message = m
	run := schedule.Run[*lease]{Ticket: shadowTicket, Items: []*lease{&again}, Works: []schedule.Work{w.workOf(m)}}
	startedAt := w.Now()
	answers := w.answer(run)
	w.countShadow(run, answers[0], served, query.Milliseconds(w.Now().Sub(startedAt)), r.ms)
}

// countShadow counts how a run in shadow went. The other version has answered the query,
// so that an input on which this one fails is its own fault. What the store or this
// process's end cut off says nothing of it.
func (w *Worker) countShadow(run schedule.Run[*lease], got, served answer.Answered, ms, servedMS float64) {
	if f, ok := errors.AsType[*answer.Fault](got.Err); ok && f.Code == query.BadInput {
		got.Err = &answer.Fault{Code: query.ModelFault, Err: f.Err}
	}
	if got.Err != nil && w.modelFault(got) == nil {
		return
	}
	w.judge(run, []answer.Answered{got})
	counted := tally.ShadowRun{Agrees: got.Err == nil && got.Result.Agrees(served.Result)}
	if !w.Paced && got.Err == nil {
		counted.ComputeMS, counted.ServedMS = ms, servedMS
	}
	m := run.Items[0].d.Message
	w.Counts.Shadowed(tally.Key{Task: m.Task, Model: m.Model, Resource: w.InstanceType}, counted)
}

// beginShadow says whether this worker has room for a run in shadow, which endShadow ends.
func (w *Worker) beginShadow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shadowing || w.fenced || w.queue.Busy() >= w.Runners || w.queue.Len(query.Strict)+w.queue.Len(query.Relaxed) > 0 {
		return false
	}
	w.shadowing = true
	return true
}

func (w *Worker) endShadow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shadowing = false
}
