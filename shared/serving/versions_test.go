package serving_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/serving"
)

// A queued query of a version on trial whose run fails is answered by what is served,
// and the failed run counts against the version alone.
func TestWhatIsServedAnswersForATrialThatFails(t *testing.T) {
	for _, code := range []query.FailureCode{query.ModelFault, query.BadInput} {
		leavesATrial(t, code)
	}
}

func leavesATrial(t *testing.T, code query.FailureCode) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.faulty, r.answers.code = "quick@2", code
		r.settings.MaxAttempts = 1
		counts := tally.NewBook(time.Now())
		w := r.start("w", func(o *serving.Options, _ *mortal) {
			c := catalogue()
			second := c.Models[0]
			second.Name = "quick@2"
			c.Models = append(c.Models, second)
			c.Rollouts = []profile.Rollout{{Model: "quick", Served: "quick", Canary: "quick@2", Share: 0.5}}
			o.Catalogue, o.Counts = c, counts
		})
		r.submit(ask{id: "q", model: "quick@2", class: query.Relaxed, boundMS: 5000})
		if got := r.want("q", query.Succeeded); got.Model != "quick" || got.Outcome.Attempts > 1 {
			t.Errorf("%+v", got)
		}
		synctest.Wait()
		faults := map[string]int64{}
		for _, c := range counts.Snapshot(time.Now()).Tallies {
			faults[c.Model] += c.Faults
		}
		if faults["quick@2"] != 1 || faults["quick"] != 0 {
			t.Errorf("faults %v", faults)
		}
		r.wantDepth(platform.DeadLetters, 0)
		r.end(w)
	})
}
