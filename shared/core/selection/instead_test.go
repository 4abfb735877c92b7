package selection

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestInstead(t *testing.T) {
	burst, full, empty, learnt := idlePool(), idlePool(), idlePool(), idlePool()
	burst.AheadMS = 850 // of two runners: large would end in 525 ms, small in 435
	full.AheadMS = 4000
	empty.Runners = 0
	learnt.AheadMS, learnt.Accuracy = 850, map[string]float64{"small": 74}
	named := need(500, 75, 0)
	named.Model = "large"
	relaxed := need(500, 75, 0)
	relaxed.Class = query.Relaxed
	for _, tt := range []struct {
		name  string
		need  query.Need
		offer Offer
		want  string // empty: nothing
	}{
		{"a cheaper model has a slot", need(500, 75, 0), burst, "small"},
		{"it does not keep the accuracy", need(500, 85, 0), burst, ""},
		{"nor by feedback", need(500, 75, 0), learnt, ""},
		{"it has no slot either", need(500, 75, 0), full, ""},
		{"no worker", need(500, 75, 0), empty, ""},
		{"it does not keep the cost", need(500, 75, 0.01), burst, ""},
		{"no bound on accuracy", need(500, 0, 0), burst, ""},
		{"a model is named", named, burst, ""},
		{"relaxed queries wait", relaxed, burst, ""},
	} {
		got, ok := Instead(tt.need, tt.offer, "large")
		if got.Model != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v", tt.name, got.Model, ok)
		}
		if ok && (!strings.Contains(got.Reason, "large") || !strings.Contains(got.Reason, "small")) {
			t.Errorf("%s: the reason lacks the models: %q", tt.name, got.Reason)
		}
	}
	if got, ok := Instead(need(500, 75, 0), burst, "small"); ok {
		t.Errorf("instead of the only one that has a slot: %+v", got)
	}
}

// What is taken instead is feasible on a worker by the exhaustive search, and none
// of those is cheaper.
func TestInsteadAgreesWithTheExhaustiveSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOffer(t)
		n := drawNeed(t)
		n.Model = ""
		chosen := "m0"
		got, ok := Instead(n, o, chosen)
		possible, cheapest, keeps := false, 0.0, false
		for _, x := range search(n, o) {
			if !x.keeps || x.model == chosen || x.resource.Kind != query.OnWorker {
				continue
			}
			if !possible || x.price < cheapest {
				cheapest = x.price
			}
			possible = true
			keeps = keeps || x.is(got)
		}
		possible = possible && n.Constraints.Accuracy > 0 && n.ClassOf(o.StrictBelowMS) == query.Strict
		if ok != possible {
			t.Fatalf("found %v, possible %v: %+v", ok, possible, got)
		}
		if ok && (!keeps || got.PriceUSD > cheapest*(1+1e-9)) {
			t.Fatalf("%+v does not keep the bounds, or is not the cheapest at %v", got, cheapest)
		}
	})
}
