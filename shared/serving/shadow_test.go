package serving_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/serving"
)

// inShadow starts a worker with the given number of runners, on which quick@2 is in shadow for all
// queries of the model quick.
func (r *rig) inShadow(runners int) (*worker, *tally.Book) {
	counts := tally.NewBook(time.Now())
	w := r.start("w", func(o *serving.Options, _ *mortal) {
		c := catalogue()
		second := c.Models[0]
		second.Name = "quick@2"
		c.Models = append(c.Models, second)
		c.Rollouts = []profile.Rollout{{Model: "quick", Served: "quick", Canary: "quick@2", Share: 1, Shadow: true}}
		o.Catalogue, o.Counts, o.Runners, o.Paced = c, counts, runners, false
	})
	synctest.Wait()
	return w, counts
}

// direct has a worker answer a query in its request.
func direct(t *testing.T, w *worker, id, model string) query.Outcome {
	now := time.Now()
	m := query.Message{ID: id, Owner: "owner", Task: "t", Model: model, Class: query.Strict, AcceptedAt: now, DeadlineAt: now.Add(time.Second),
		ExpiresAt: now.Add(time.Minute), ForgetAt: now.Add(time.Hour), Input: query.Input{ContentType: "text/plain", Data: []byte("input of " + id)}}
	o, err := w.Answer(t.Context(), m, m.DeadlineAt)
	if err != nil {
		t.Errorf("query %s: %v", id, err)
	}
	return o
}

// shadowed is what was counted of a version.
func shadowed(b *tally.Book, version string) (sum tally.Tally) {
	for _, c := range b.Snapshot(time.Now()).Tallies {
		if c.Model == version {
			sum = sum.Merge(c)
		}
	}
	return sum
}

// The version in shadow runs once on the input of a query that was answered, and what
// comes of it goes nowhere but into the counts.
func TestAVersionInShadowRunsAfterTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		w, counts := r.inShadow(1)
		o := direct(t, w, "q", "quick")
		synctest.Wait() // no run in shadow begins while another query waits
		direct(t, w, "other", "slow")
		synctest.Wait()
		got := shadowed(counts, "quick@2")
		if o.State != query.Succeeded || r.answers.ran("input of q") != 2 || r.answers.ran("input of other") != 1 {
			t.Errorf("%+v, runs %v", o, r.answers.runs)
		}
		if got.Shadowed != 1 || got.Agreed != 1 || got.Faults != 0 || got.Answered != 0 || shadowed(counts, "quick").Answered != 1 {
			t.Errorf("%+v", got)
		}
		r.end(w)
	})
}

// Queued queries are not run in shadow.
func TestAQueuedQueryIsNotRunInShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		w, counts := r.inShadow(1)
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 5000})
		r.want("q", query.Succeeded)
		synctest.Wait()
		if n := shadowed(counts, "quick@2").Shadowed; n != 0 || r.answers.ran("input of q") != 1 {
			t.Errorf("%d runs in shadow, runs %v", n, r.answers.runs)
		}
		r.end(w)
	})
}

// A failure of the version in shadow is its own, by whatever input, and the query's
// answer stands. After some failures in a row it is not run for a while.
func TestAFailureInShadowCountsAgainstTheVersionAlone(t *testing.T) {
	for _, code := range []query.FailureCode{query.ModelFault, query.BadInput} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			r.answers.faulty, r.answers.code = "quick@2", code
			w, counts := r.inShadow(1)
			for range 20 {
				if o := direct(t, w, "q", "quick"); o.State != query.Succeeded {
					t.Errorf("%+v", o)
				}
				synctest.Wait()
			}
			got, served := shadowed(counts, "quick@2"), shadowed(counts, "quick")
			if got.Faults != got.Shadowed || got.Faults < 5 || got.Faults == 20 || got.Agreed != 0 || served.Faults != 0 || served.Answered != 20 {
				t.Errorf("%s: %+v, served %+v", code, got.Counts, served.Counts)
			}
			r.end(w)
		})
	}
}

// While a run in shadow takes long, the worker answers as if it were not there, and no
// other one begins; nor does one where no runner is free.
func TestARunInShadowHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.heldModel, r.answers.held = "quick@2", make(chan struct{})
		w, counts := r.inShadow(1)
		for _, id := range []string{"a", "b", "c"} {
			if o := direct(t, w, id, "quick"); o.State != query.Succeeded || o.PredictedMS > 20 {
				t.Errorf("query %s: %+v", id, o)
			}
			synctest.Wait()
		}
		close(r.answers.held)
		synctest.Wait()
		if n := shadowed(counts, "quick@2").Shadowed; n != 1 || r.answers.ran("input of b") != 1 {
			t.Errorf("%d runs in shadow, runs %v", n, r.answers.runs)
		}
		r.end(w)
	})
}

// Where another query waits or takes the last runner, no run in shadow begins.
func TestNoRunInShadowBeginsWithoutAFreeRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.started = make(chan string)
		w, _ := r.inShadow(1)
		go direct(t, w, "first", "quick")
		synctest.Wait()
		go direct(t, w, "second", "slow")
		synctest.Wait()
		<-r.answers.started // the first ends, and the second begins
		synctest.Wait()
		if n := r.answers.ran("input of first"); n != 1 || r.answers.ran("input of second") != 1 {
			t.Errorf("runs %v", r.answers.runs)
		}
		go func() {
			for range r.answers.started { // lets go what runs
			}
		}()
		r.end(w)
		close(r.answers.started)
	})
}
