package dispatch_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A query that overflowed on a version on trial is answered by what is served when the
// version's functions fail, at the cost of both.
func TestWhatIsServedAnswersForATrialThatFails(t *testing.T) {
	leavesATrial(t, inference.Response{}, fmt.Errorf("it died: %w", platform.ErrFault))
	leavesATrial(t, inference.Response{Error: &query.Failure{Code: query.BadInput, Detail: "cannot run on it"}}, nil)
}

func leavesATrial(t *testing.T, res inference.Response, err error) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		c := catalogue()
		second := c.Models[0]
		second.Name = "m@2"
		c.Models = append(c.Models, second)
		c.Rollouts = []profile.Rollout{{Model: "m", Served: "m", Canary: "m@2", Share: 0.5}}
		r.Catalogue, r.Counts = c, tally.NewBook(time.Now())
		r.script = func(name string, _ int) (inference.Response, error) {
			if strings.Contains(name, "m@2") {
				return res, err
			}
			return inference.Response{Label: "answered"}, nil
		}
		r.submit("q", 5000, func(m *query.Message) { m.Model = "m@2" })
		r.handleAll()
		got := r.get("q")
		if got.State != query.Succeeded || got.Model != "m" || len(r.names) != 2 {
			t.Errorf("%+v after %v", got, r.names)
		}
		if got.Outcome != nil && got.Outcome.CostUSD != r.paid.usd {
			t.Errorf("it cost %v, and %v was paid", got.Outcome.CostUSD, r.paid.usd)
		}
		for _, c := range r.Counts.Snapshot(time.Now()).Tallies {
			if c.Faults != map[string]int64{"m@2": 1}[c.Model] {
				t.Errorf("%d faults of %s", c.Faults, c.Model)
			}
		}
		r.wantDepth(platform.WorkQueue(pool, query.Strict), 0)
	})
}
