package serving_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"paragon/shared/core/query"
	"paragon/shared/core/schedule"
	"paragon/shared/engine/answer"
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
			_, err := ask("quick", "faulty")
			if errors.As(err, &none) {
				break
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

// A failed load opens the breaker at once.
func TestAFailedLoadCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.fault = &answer.Fault{Code: query.ModelFault, Err: answer.ErrNotLoaded}
		w := r.start("w", nil)
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 5000})
		synctest.Wait()
		<-time.After(time.Second)
		if open := w.Breakers.AllOpen(w.Now()); len(open) != 1 || open[0].Model != "quick" {
			t.Errorf("open: %+v", open)
		}
		r.end(w)
	})
}
