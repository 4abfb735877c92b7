package serving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

// start starts what the free runners can.
func (w *Worker) start() { w.startBut(nil) }

// startBut is start, but leaves a run of the query own alone to the caller, if it is short.
func (w *Worker) startBut(own *lease) (mine schedule.Run[*lease], ok bool) {
	maxBatch := w.Settings().MaxBatch
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.fenced {
		r, more := w.queue.Start(w.Now(), maxBatch)
		if !more {
			break
		}
		w.use.update(w.Now(), w.queue.Busy())
		if len(r.Items) == 1 && r.Items[0] == own && short(r) {
			w.work.Add(1) // the caller ends it
			mine, ok = r, true
			continue
		}
		w.work.Go(func() { w.run(r) })
	}
	return mine, ok
}

// run answers a batch on a runner. The runner is free again before the
// outcomes are stored.
func (w *Worker) run(r schedule.Run[*lease]) {
	startedAt := w.Now()
	for _, l := range r.Items {
		l.wait.End()
	}
	spans := w.began(r.Items, "run")
	answers := w.answer(r)
	w.judge(r, answers)
	w.pace(r, startedAt, answers)
	endRun(spans, answers)
	took := query.Milliseconds(w.Now().Sub(startedAt))

	w.mu.Lock()
	if anyAnswered(answers) {
		w.queue.Done(r.Ticket, w.Now())
	} else {
		w.queue.Abort(r.Ticket, w.Now())
	}
	w.use.update(w.Now(), w.queue.Busy())
	w.mu.Unlock()
	if w.life.Err() == nil {
		for i, l := range r.Items {
			w.end(l, answers[i], ran{startedAt, took, len(r.Items)})
		}
	}
	w.notify()
	w.evict()
	w.start()
}

// end gives what became of a query to the request that holds it, at once: its caller
// waits, and the next run would take the processor first. Others are settled in the
// background.
func (w *Worker) end(l *lease, a answer.Answered, r ran) {
	if l.reply == nil {
		w.work.Go(func() { w.settle(l, a, r) })
		return
	}
	l.reply <- reply{outcome: w.outcome(l, a, r)}
	if version := w.shadowOf(l, a, r); version != "" {
		w.work.Go(func() { w.shadow(l, version, a, r) })
	}
}

// ran is what a run took.
type ran struct {
	startedAt time.Time
	ms        float64
	batch     int // queries in it
}

// answer runs the model over the inputs that can be had.
func (w *Worker) answer(r schedule.Run[*lease]) []answer.Answered {
	out := make([]answer.Answered, len(r.Items))
	var inputs []query.Input
	var from []int
	for i, l := range r.Items {
		in, err := w.input(l)
		if err != nil {
			out[i].Err = err
			continue
		}
		inputs, from = append(inputs, in), append(from, i)
	}
	if len(inputs) == 0 {
		return out
	}
	ended := w.infers(r)
	got, err := w.Answerer.Answer(w.life, r.Works[0].Model, inputs)
	ended()
	for i, at := range from {
		if err != nil {
			out[at].Err = err
		} else {
			out[at] = got[i]
		}
	}
	return out
}

// input returns a query's input, fetched if it came by reference.
func (w *Worker) input(l *lease) (query.Input, error) {
	in, err := platform.ReadInput(w.life, w.Blobs, l.d.Message, w.Settings().UploadLimitKB<<10)
	if errors.Is(err, platform.ErrNotFound) || errors.Is(err, platform.ErrTooLarge) {
		return in, &answer.Fault{Code: query.InputIsGone, Err: err}
	}
	return in, err
}

// pace holds the runner until its profile's median service time is over, if
// the worker is paced and anything was answered.
func (w *Worker) pace(r schedule.Run[*lease], startedAt time.Time, answers []answer.Answered) {
	if !w.Paced || !anyAnswered(answers) {
		return
	}
	ms := r.Works[0].P50MS
	if n := len(r.Works); n > 1 {
		ms = float64(n) * r.Works[0].BatchEachMS
	}
	_ = settle.Sleep(w.life, startedAt.Add(query.Duration(ms)).Sub(w.Now())) // the end of life is seen by the caller
}

// anyAnswered returns whether some query of a run succeeded.
func anyAnswered(answers []answer.Answered) bool {
	return slices.ContainsFunc(answers, func(a answer.Answered) bool { return a.Err == nil })
}

// settle stores what became of a query and ends its message: answered, failed for
// good, or back on its queue for another attempt.
func (w *Worker) settle(l *lease, a answer.Answered, r ran) {
	defer w.notify() // there may be room for one more
	defer w.leases.drop(l)
	_, span := w.Traces.Child(l.ctx, "finish")
	defer span.End()
	w.annotate(span, l)
	var err error
	if a.Err == nil {
		err = w.succeed(l, w.outcome(l, a, r))
	} else if l.ctx.Err() == nil { // else the process that has it now decides
		err = w.fail(l, a.Err)
	}
	if err != nil {
		w.Log.Warn("could not store how a query ended; the query is received again after its lease", "worker", w.ID, "query", l.d.Message.ID, "error", err)
	}
}

// outcome is how a run ended a query. An answer is counted; a failure is when it
// is final, by the process that decides that.
func (w *Worker) outcome(l *lease, a answer.Answered, r ran) query.Outcome {
	now, m := w.Now(), l.d.Message
	result := a.Result.Trim(m.AllScores)
	o := query.Outcome{
		State: query.Succeeded, FinishedAt: now, StartedAt: r.startedAt, Result: &result, PredictedMS: l.predictedMS,
		RanOn:     query.Runner{Kind: query.OnWorker, Name: w.ID, Resource: w.InstanceType, Paced: w.Paced},
		ComputeMS: r.ms, Batch: shared(r.batch), CostUSD: pricing.WorkerQueryUSD(w.instance, r.ms/float64(r.batch)), Attempts: settle.Attempts(l.d),
		Trail: m.Trail.Add(query.Step{At: now, Event: query.StepRan, Where: w.ID}),
	}
	if a.Err != nil {
		f := answer.Failure(a.Err)
		o.State, o.Result, o.Failure, o.Attempts = query.Failed, nil, &f, settle.Attempts(l.d)+1
		o.Trail = m.Trail.Add(query.Step{At: now, Event: query.StepRetried, Where: w.ID, Why: f.Detail})
		return o
	}
	if m.Refuser != "" {
		w.Counts.Faulted(tally.Key{Task: m.Task, Model: m.Refuser, Class: m.Class})
	}
	if w.Counts != nil {
		w.Counts.Ended(tally.Of(m.Ended(o)))
	}
	w.mu.Lock()
	w.answered++
	w.mu.Unlock()
	return o
}

// succeed stores an answer and ends its message.
func (w *Worker) succeed(l *lease, o query.Outcome) error {
	ctx := l.ctx
	if ctx.Err() != nil { // lost while it ran: offer the outcome once
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(w.life, w.leaseTime())
		defer cancel()
	}
	return w.settler.End(ctx, l.d, o)
}

// shared is the size of a batch as an outcome reports it: nothing of a query that
// was alone.
func shared(batch int) int {
	if batch <= 1 {
		return 0
	}
	return batch
}

func (w *Worker) fail(l *lease, cause error) error {
	f, attempts := answer.Failure(cause), settle.Attempts(l.d)+1
	w.Log.Info("a run failed", "worker", w.ID, "query", l.d.Message.ID, "code", f.Code, "attempts", attempts)
	served, onTrial := w.Catalogue.Current().ServedInstead(l.d.Message.Model)
	if onTrial && f.Code == query.BadInput { // the input's fault only if what is served fails on it too
		l.d.Message.Refuser = l.d.Message.Model
	} else if f.Code.Callers() {
		return w.settler.Fail(l.ctx, l.d, attempts, f)
	}
	if onTrial { // that does not count
		l.d.Message.Model, attempts = served, settle.Attempts(l.d)
	}
	if attempts >= w.Settings().MaxAttempts {
		f.Detail = fmt.Sprintf("%d runs failed, the last: %s", attempts, f.Detail)
		f.Code = query.TooOften
		return w.settler.Fail(l.ctx, l.d, attempts, f)
	}
	w.leases.pass(l)
	ctx, cancel := context.WithTimeout(l.ctx, w.leaseTime())
	defer cancel()
	step := query.Step{At: w.Now(), Event: query.StepRetried, Where: w.ID, Why: f.Detail}
	return w.settler.Pass(ctx, l.d, l.d.Queue, attempts, step)
}
