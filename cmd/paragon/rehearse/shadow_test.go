//go:build rehearse

package rehearse

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A version in shadow runs on a worker of the stage, in addition to the version that answers, by
// an order of the operator's. Functions run none: behind the api function there is
// nothing but the order.
func TestAVersionInShadow(t *testing.T) {
	term := newTerminal(newPlay(t))
	term.set("tick_seconds", "3")
	term.addForest("/v2/models/weather/infer", 0.5)
	term.addForest("50 %", 0.7, "--share", "0.5")
	term.says("forest@2 runs in shadow on 90 %", "model", "shadow", "forest", "--share", "0.9")
	term.says("in shadow, 90 %", "model", "list")
	if term.front.listener != "" {
		term.runsInShadow()
		term.measuredByWorker("forest")
	}
	term.says("served by version forest.", "model", "rollback", "forest")
}

// measuredByWorker wants what the ready worker measured in the model's profile, once the
// model is run again: single runs, and batches.
func (term *terminal) measuredByWorker(model string) {
	term.t.Helper()
	term.says("", "model", "prove", model, "--yes")
	var m profile.Model
	term.into(&m, "model", "profile", model)
	measured := func(batches bool) bool {
		return slices.ContainsFunc(m.Latency, func(l profile.Latency) bool {
			return slices.Contains([]string{"c5.large", "m5.large"}, l.Resource) && l.Source.Kind == "measured" && l.MS.P50 > 0 && (l.Batch > 1) == batches
		})
	}
	if !measured(false) || !measured(true) {
		term.t.Errorf("no worker has measured it, alone and in batches, as the operator's machine did: %+v", m.Latency)
	}
}

// runsInShadow has a worker answer queries for the model until the status says how the
// version in shadow did on them.
func (term *terminal) runsInShadow() {
	term.t.Helper()
	term.shifts()
	term.raises()
	worker, _ := term.startFirst()
	term.until("requests go to the workers", term.turned)
	said := ""
	term.until("the status says how the version in shadow did", func() bool {
		got := term.request("POST", "/v1/queries", forestQuery(term.t, query.Relaxed, 0), "Prefer", "wait=10")
		var q answered
		if got.Code != http.StatusOK || json.Unmarshal(got.Body.Bytes(), &q) != nil || q.State != query.Succeeded || q.Model != "forest" || q.ServedBy.Name != worker {
			term.t.Logf("answered %d %s", got.Code, got.Body) // the worker has not run the model before
			return false
		}
		said = string(term.says("", "status"))
		return strings.Contains(said, "ran in shadow")
	})
	if !strings.Contains(said, " 0 runs failed, 100.0 % of the results ") {
		term.t.Errorf("a version that is like the other did this in shadow:\n%s", said)
	}
}
