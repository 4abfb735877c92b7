package serving

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// judge reports to a model's breaker how a run ended. What is the caller's or the store's
// fault, and what this process's end cut off, says nothing of the model.
func (w *Worker) judge(r schedule.Run[*lease], answers []answer.Answered) {
	model := r.Works[0].Model
	for i, a := range answers {
		if m := r.Items[i].d.Message; w.modelFault(a) != nil {
			w.Counts.Faulted(tally.Key{Task: m.Task, Model: model, Class: m.Class})
		}
	}
	if anyAnswered(answers) {
		w.Breakers.Succeeded(model)
		return
	}
	for _, a := range answers {
		f := w.modelFault(a)
		if f == nil {
			continue
		}
		count := w.Breakers.Failed
		if errors.Is(f, answer.ErrNotLoaded) {
			count = w.Breakers.NotLoaded
		}
		if count(model, f.Err.Error(), w.Now()) {
			w.Log.Error("a model's runs fail; this worker does not run the model for a while", "worker", w.ID, "model", model, "error", f.Err)
			w.turnAwayWaiting(model)
		}
		return
	}
}

// modelFault is the fault of a run that is the model's own; nil of any other end.
func (w *Worker) modelFault(a answer.Answered) *answer.Fault {
	f, ok := errors.AsType[*answer.Fault](a.Err)
	if !ok || f.Code != query.ModelFault || w.life.Err() != nil {
		return nil
	}
	return f
}

// turnAwayWaiting gives away what waits here for a model whose breaker has opened.
func (w *Worker) turnAwayWaiting(model string) {
	w.mu.Lock()
	waiting := w.queue.Remove(func(l *lease) bool { return l.d.Message.Model == model })
	w.notifyLocked()
	w.mu.Unlock()
	var queued []*lease
	for _, l := range waiting {
		if l.reply != nil {
			w.evicted(schedule.Late[*lease]{Item: l})
		} else {
			queued = append(queued, l)
		}
	}
	w.turnAway(queued)
}

// turnAway gives away queries of the queues whose model's runs fail here, so that they
// do not fail one by one: strict ones, and relaxed ones at their bounds, to the
// functions as far as the rules allow, all others to the ends of their queues for
// another worker, behind those of other models. It is true when one of those was left
// before since this worker last made way: nobody else takes it.
func (w *Worker) turnAway(ls []*lease) (again bool) {
	may, now := w.allowed(), w.Now()
	var others []*lease
	for _, l := range ls {
		m := l.d.Message
		work := w.workOf(m)
		if !m.Pinned && may.strict && m.Class == query.Strict || may.relaxed && work.RelaxedDue(now) {
			w.work.Go(func() { w.handOver(l, "the runs of model "+m.Model+" fail here") })
		} else {
			others = append(others, l)
		}
	}
	if len(others) > 0 {
		w.work.Go(func() { w.leave(others) })
	}
	return w.left.add(others)
}

// leave puts messages at the ends of their queues. Should that fail, their leases' end
// brings them back.
func (w *Worker) leave(ls []*lease) {
	ctx, cancel := context.WithTimeout(w.life, w.leaseTime())
	defer cancel()
	for _, l := range ls {
		l.wait.End()
		w.leases.pass(l)
		m := l.d.Message
		m.Attempts = settle.Attempts(l.d)
		if err := w.Queues.Move(ctx, l.d, l.d.Queue, m); err != nil && !errors.Is(err, platform.ErrLeaseLost) {
			w.Log.Warn("could not return a query to its queue for another worker", "worker", w.ID, "query", m.ID, "error", err)
		}
		l.lose()
	}
}

// mostLeft bounds the queries that are remembered as left for others.
const mostLeft = 4096

// left are the queries that were left for another worker since this one last made way,
// by id.
type left struct {
	mu  sync.Mutex
	ids map[string]bool
}

// add adds queries. It is true when one of them was there: they come round again.
func (t *left) add(ls []*lease) (again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range ls {
		again = again || t.ids[l.d.Message.ID]
	}
	if again || t.ids == nil || len(t.ids) > mostLeft {
		t.ids = map[string]bool{}
	}
	for _, l := range ls {
		t.ids[l.d.Message.ID] = true
	}
	return again
}

// roundPause is between two rounds through the queries that nobody else takes.
const roundPause = time.Second

// yields makes way for other workers and other queries when those that this one turned
// away come round again. Strict ones among them hold no relaxed one up meanwhile.
func (w *Worker) yields(ctx context.Context, class query.Class) {
	if class == query.Strict {
		w.setStrictEmpty(true)
	}
	pause(ctx, nil, roundPause)
}
