package serving_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/serving"
)

// loading is an Answerer whose model is loaded at a moment.
type loading struct {
	*answers
	readyAt time.Time
}

func (l *loading) Prepare(string) float64 { return max(0, query.Milliseconds(time.Until(l.readyAt))) }
func (l *loading) Loading() bool          { return l.Prepare("") > 0 }

// now asks a worker for a direct answer within a bound.
func (r *rig) now(w *worker, boundMS float64) (query.Outcome, error) {
	now := time.Now()
	m := query.Message{ID: "direct", Owner: "o", Model: "quick", Class: query.Strict, AcceptedAt: now, DeadlineAt: now.Add(query.Duration(boundMS)),
		ExpiresAt: now.Add(time.Minute), Input: query.Input{Data: []byte("x")}}
	return w.Answer(r.Context(), m, m.DeadlineAt)
}

// What a model's load takes counts in admission: a query that could not wait for
// it has no slot here, and one that can has.
func TestALoadCountsInAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		l := &loading{r.answers, time.Now().Add(500 * time.Millisecond)}
		w := r.start("w", func(o *serving.Options, _ *mortal) { o.Answerer = l })
		synctest.Wait()
		_, err := r.now(w, 300)
		none, _ := errors.AsType[*schedule.NoSlot](err)
		if none == nil || none.PredictedMS < 500 || none.PredictedMS > 600 {
			t.Errorf("while the model is loading: %v", err)
		}
		if o, err := r.now(w, 600); err != nil || o.State != query.Succeeded {
			t.Errorf("with time for the load: %+v, %v", o, err)
		}
		l.readyAt = time.Now()
		if o, err := r.now(w, 300); err != nil || o.State != query.Succeeded {
			t.Errorf("loaded: %+v, %v", o, err)
		}
		r.end(w)
	})
}

// A worker is well while a runner is idle, finished in time or loads, and not
// when every runner hangs in the engine; what it does meanwhile but infer, such
// as draining, changes nothing.
func TestAWorkerThatHangsIsNotWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.cold, r.answers.started = make(chan struct{}), make(chan string, 2)
		l := &loading{answers: r.answers}
		w := r.start("w", func(o *serving.Options, _ *mortal) { o.Answerer, o.Runners, o.Paced = l, 2, false })
		well := func(want bool) {
			t.Helper()
			if err := w.Health(); (err == nil) != want {
				t.Errorf("health %v, want well %v", err, want)
			}
		}
		well(true)
		r.submit(ask{id: "a", model: "quick", class: query.Strict, boundMS: 1e4})
		<-r.answers.started
		pass := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		pass(10 * time.Second)
		well(true) // the other runner is idle
		r.submit(ask{id: "b", model: "quick", class: query.Strict, boundMS: 1e4})
		<-r.answers.started
		pass(2 * time.Second)
		well(true)
		pass(200 * time.Millisecond) // 2 s beyond four times the p99 of 25 ms
		well(false)
		w.stop()
		well(false)
		l.readyAt = time.Now().Add(time.Second)
		well(true)
		pass(time.Second)
		well(false)
		close(r.answers.cold)
		synctest.Wait()
		well(true)
		if err := <-w.done; err != nil {
			t.Error(err)
		}
	})
}
