//go:build !race

package evaluate_test

// Played as deployed, with a tick every few seconds, this takes a minute on two cores,
// and eight under the race detector. `make test` runs it together with the grid.

import (
	"slices"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// seedsDeployed is how many seeds each case is played with: with one, the bill of a case
// differs by up to a twelfth from that with another.
const seedsDeployed = 3

// As deployed hedged keeps the bounds in every run. Of the schemes that keep them in the
// mean of the seeds on every trace, its whole bill is the least in all, and on none more
// than a tenth above the best other.
func TestHedgedIsTheCheapestThatKeepsTheBounds(t *testing.T) {
	for _, m := range markets(t) {
		total, broken, played := map[string]float64{}, map[string]bool{}, map[string]map[string]float64{}
		for _, c := range deployed(t, append(bursty(t, m), flat(t, m)...)) {
			played[c.Name] = map[string]float64{}
			for name, r := range meansOf(t, c) {
				played[c.Name][name] = r.billUSD
				total[name] += r.billUSD
				broken[name] = broken[name] || r.missed > 0.005
			}
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

// mean is what a scheme comes to over the seeds.
type mean struct {
	billUSD float64
	missed  float64 // the larger violation ratio of the two classes, averaged
}

// meansOf plays a case with every contender and seed. hedged must keep the bounds in each.
func meansOf(t *testing.T, c comparison.Case) map[string]mean {
	t.Helper()
	out := map[string]mean{}
	for seed := range uint64(seedsDeployed) {
		c.Seed = seed + 1
		rows, err := comparison.Play(t.Context(), c, contenders(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			missed := max(r.Row.StrictViolation, r.Row.RelaxedViolation)
			if r.Row.Scheme == "hedged" && missed > 0.005 {
				t.Errorf("%s, %s, seed %d: hedged misses %.2f %%", c.Name, r.Row.Catalogue, c.Seed, 100*missed)
			}
			m := out[r.Row.Scheme]
			out[r.Row.Scheme] = mean{m.billUSD + r.Row.BillUSD/seedsDeployed, m.missed + missed/seedsDeployed}
		}
	}
	return out
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
