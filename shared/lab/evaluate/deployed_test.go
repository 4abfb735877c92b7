//go:build !race

package evaluate_test

// Played as deployed, with a tick every few seconds, this takes a minute on two cores,
// and eight under the race detector. `make test` runs it beside the grid.

import (
	"slices"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// As deployed hedged keeps the bounds; of the schemes that do on every trace its
// whole bill is the least in all, and on none more than a tenth above the best other.
func TestHedgedIsTheCheapestThatKeepsTheBounds(t *testing.T) {
	for _, m := range markets(t) {
		total, broken, played := map[string]float64{}, map[string]bool{}, map[string]map[string]float64{}
		for _, c := range deployed(t, append(bursty(t, m), flat(t, m)...)) {
			bills := map[string]float64{}
			rows, err := comparison.Play(t.Context(), c, contenders(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				name := r.Row.Scheme
				bills[name] = r.Row.BillUSD
				total[name] += r.Row.BillUSD
				broken[name] = broken[name] || r.Row.StrictViolation > 0.005 || r.Row.RelaxedViolation > 0.005
			}
			played[c.Name] = bills
		}
		if broken["hedged"] {
			t.Errorf("%s: hedged does not keep the bounds", m.Name)
		}
		for name, usd := range total {
			if !broken[name] && usd < total["hedged"] {
				t.Errorf("%s: hedged costs $%.3f, %s $%.3f", m.Name, total["hedged"], name, usd)
			}
			for trace, bills := range played {
				if !broken[name] && bills["hedged"] > 1.1*bills[name] {
					t.Errorf("%s, %s: hedged costs $%.3f, %s $%.3f", trace, m.Name, bills["hedged"], name, bills[name])
				}
			}
		}
	}
}

// contenders are the schemes without util_aware and exascale, which cost more than
// reactive by design.
func contenders() []procurement.Scheme {
	return slices.DeleteFunc(procurement.All(), func(s procurement.Scheme) bool { return s.Name() == "util_aware" || s.Name() == "exascale" })
}

// deployed are cases as a stage plays them, with the settings that ship.
func deployed(t *testing.T, cases []comparison.Case) []comparison.Case {
	t.Helper()
	set, err := simulate.DeployedSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		cases[i].References, cases[i].AsDeployed, cases[i].Settings = false, &simulate.AsDeployed{}, set
	}
	return cases
}
