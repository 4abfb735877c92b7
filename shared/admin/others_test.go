package admin

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
)

// Each hour of a scheme is spread over the steps within it, also those without a row, and
// outside of the time that was compared the scheme costs what the stage did.
func TestAddOthers(t *testing.T) {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	s := &api.Savings{Verdict: calibration.Verdict{Quoted: true}, From: noon, To: noon.Add(90 * time.Minute),
		Others: []api.SchemeCost{{Scheme: "reactive", HoursUSD: []float64{6, 1}}, {Scheme: "without hours"}}}
	h := api.History{StepSeconds: 1200}
	for _, minutes := range []int{-20, 0, 20, 60, 80, 100} { // at 40 min there was neither a query nor a worker
		h.AtUnixSeconds, h.CostUSD = append(h.AtUnixSeconds, noon.Add(time.Duration(minutes)*time.Minute).Unix()), append(h.CostUSD, 12)
	}
	if err := AddOthers(&h, s); err != nil {
		t.Fatal(err)
	}
	for scheme, want := range map[string][]float64{
		"reactive": {12, 2, 2, 2 + 1.0/30*20, 6 + 1.0/30*10, 12}, "without hours": {12, 0, 0, 0, 6, 12},
	} {
		for i, usd := range h.OthersUSD[scheme] {
			if math.Abs(usd-want[i]) > 0.01 || len(h.OthersUSD[scheme]) != len(want) {
				t.Errorf("%s: %v, want %v", scheme, h.OthersUSD[scheme], want)
				break
			}
		}
	}
	none := api.History{StepSeconds: 1200, AtUnixSeconds: h.AtUnixSeconds, CostUSD: h.CostUSD}
	if err := errors.Join(AddOthers(&none, &api.Savings{Others: s.Others}), AddOthers(&api.History{}, s)); err != nil || none.OthersUSD != nil {
		t.Errorf("costs that may not be quoted: %v, error %v", none.OthersUSD, err)
	}
}
