package serving_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/serving"
)

// A model whose runs fail gets no more queries here for a while, those of others do;
// the report says so; and a run that succeeds afterwards ends it. Failures that are
// the caller's count for nothing.
func TestABrokenModelIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		w := r.start("w", nil)
		synctest.Wait()
		ask := func(model, input string) (query.Outcome, error) {
			now := time.Now()
			m := query.Message{ID: "q", Owner: "owner", Task: "t", Model: model, Class: query.Strict, AcceptedAt: now,
				DeadlineAt: now.Add(2 * time.Second), Input: query.Input{ContentType: "text/plain", Data: []byte(input)}}
			return w.Answer(t.Context(), m, m.DeadlineAt)
		}
		for range 20 {
			if o, err := ask("quick", "poison"); err != nil || o.Failure.Code != query.BadInput {
				t.Fatalf("%+v, error %v", o, err)
			}
		}
		failed := 0
		var none *schedule.NoSlot
		for range 20 {
			o, err := ask("quick", "faulty")
			if errors.As(err, &none) {
				break
			}
			if o.Trail.Count(query.StepRetried) != 1 || o.Trail.Count(query.StepRan) != 0 {
				t.Errorf("the trail of a run that failed: %+v", o.Trail)
			}
			failed++
		}
		if failed != 5 || none == nil || none.PredictedMS <= 0 {
			t.Errorf("%d runs failed before its queries went elsewhere: %+v", failed, none)
		}
		if o, err := ask("slow", "good"); err != nil || o.State != query.Succeeded {
			t.Errorf("another model: %+v, error %v", o, err)
		}
		<-time.After(2 * time.Second)
		ws, err := r.Fleet.Workers(t.Context(), pool)
		if err != nil || len(ws) != 1 || len(ws[0].Broken) != 1 || ws[0].Broken[0].Model != "quick" || ws[0].Broken[0].Why == "" {
			t.Errorf("reported %+v, error %v", ws, err)
		}
		<-time.After(15 * time.Second)
		for range 3 {
			if o, err := ask("quick", "good"); err != nil || o.State != query.Succeeded {
				t.Errorf("tried again: %+v, error %v", o, err)
			}
		}
		if open := w.Breakers.AllOpen(w.Now()); len(open) > 0 {
			t.Errorf("still open: %+v", open)
		}
		r.end(w)
	})
}

// A failed load opens the breaker at once, and is an error in the log.
func TestAFailedLoadCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.fault = &answer.Fault{Code: query.ModelFault, Err: answer.ErrNotLoaded}
		var log bytes.Buffer
		w := r.start("w", func(o *serving.Options, _ *mortal) {
			o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		})
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 5000})
		synctest.Wait()
		<-time.After(time.Second)
		if open := w.Breakers.AllOpen(w.Now()); len(open) != 1 || open[0].Model != "quick" {
			t.Errorf("open: %+v", open)
		}
		r.end(w)
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "model=quick") || !strings.Contains(text, answer.ErrNotLoaded.Error()) {
			t.Errorf("errors in the log: %s", text)
		}
	})
}

// brokenHere is an Answerer whose runs of quick fail, and of no other model.
type brokenHere struct{ *answers }

func (b brokenHere) Answer(ctx context.Context, model string, in []query.Input) ([]answer.Answered, error) {
	if model == "quick" {
		return nil, &answer.Fault{Code: query.ModelFault, Err: errors.New("the model is broken")}
	}
	return b.answers.Answer(ctx, model, in)
}

// startBroken starts a worker on which runs of quick fail.
func (r *rig) startBroken(id string) *worker {
	r.Helper()
	return r.start(id, func(o *serving.Options, _ *mortal) {
		o.Answerer, o.Arch, o.Catalogue = brokenHere{r.answers}, "x86_64", withFunctions()
	})
}

// Queued queries of a model whose runs fail on one worker are answered by another: they
// do not fail one by one, and those of other models go on meanwhile.
func TestQueuedQueriesOfABrokenModelAreLeftForAnother(t *testing.T) {
	for _, class := range []query.Class{query.Relaxed, query.Strict} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.settings.MaxOverflowConcurrency = 0 // from the first moment on, unlike a rule of the view
				var ids []string
				for i := range 30 { // before the worker: one alone would use its attempts up before the breaker opens
					ids = append(ids, fmt.Sprint("q", i))
					r.submit(ask{id: ids[i], model: "quick", class: class, boundMS: 60_000})
				}
				broken := r.startBroken("broken")
				<-time.After(5 * time.Second)
				for i := range 5 {
					r.submit(ask{id: fmt.Sprint("other", i), model: "slow", class: query.Relaxed, boundMS: 60_000})
				}
				<-time.After(5 * time.Second)
				for i := range 5 {
					if r.answers.ran(fmt.Sprint("input of other", i)) == 0 {
						t.Errorf("query %d of another model waits for those of the broken one", i)
					}
				}
				well := r.start("well", nil)
				for _, id := range ids {
					r.want(id, query.Succeeded)
				}
				r.end(broken, well)
			})
		})
	}
}

// Where they may overflow, strict ones do at once and relaxed ones at their bounds.
func TestQueuedQueriesOfABrokenModelOverflow(t *testing.T) {
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.settings.HeartbeatSeconds = 300
				r.rule(placement.Pool{RelaxedOverflow: true})
				w := r.startBroken("broken")
				synctest.Wait()
				w.Breakers.NotLoaded("quick", "no such file", w.Now())
				began := time.Now()
				r.submit(ask{id: "q", model: "quick", class: class, boundMS: 10_000})
				m := r.overflow()
				if m.Trail[len(m.Trail)-1].Event != query.StepDeclined || m.Attempts != 0 {
					t.Errorf("handed over as %+v after %d runs", m.Trail, m.Attempts)
				}
				if waited := time.Since(began); waited > 10*time.Second || class == query.Relaxed && waited < time.Second {
					t.Errorf("handed over after %v", waited)
				}
				r.end(w)
			})
		})
	}
}
