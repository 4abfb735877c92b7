//go:build !race

package evaluate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// traceOf is an hour of a load.
func traceOf(t *testing.T, a evaluate.Adversary, seed uint64) arrivals.Trace {
	t.Helper()
	tr, err := a.Trace(time.Hour, seed)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// adversary is a load as a stage plays it in a market, after a warm-up.
func adversary(t *testing.T, name, market string) comparison.Case {
	t.Helper()
	all := evaluate.Adversaries()
	i := slices.IndexFunc(all, func(a evaluate.Adversary) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("there is no %q", name)
	}
	c := comparison.New(name, traceOf(t, all[i], 1), markets(t)[market])
	c.From, c.For = 20*time.Minute, 40*time.Minute
	return deployed(t, []comparison.Case{c})[0]
}

// A stage that no worker serves, as so few queries are cheaper on functions, becomes busy,
// suddenly or slowly: hedged sees it, though no worker's use shows it, and starts workers
// soon enough to cost at most a tenth more than the simple rules.
func TestHedgedStartsWorkersWhenAQuietStageBecomesBusy(t *testing.T) {
	only := slices.DeleteFunc(procurement.All(), func(s procurement.Scheme) bool { return s.Name() != "hedged" && s.Name() != "mixed" })
	quantile, err := rivals.Get("quantile")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"step up", "ramp up"} {
		rows, err := comparison.Play(t.Context(), adversary(t, name, "cocktail2022"), append(only, quantile), nil)
		if err != nil {
			t.Fatal(err)
		}
		usd := map[string]float64{}
		for _, r := range rows {
			usd[r.Row.Scheme] = r.Row.BillUSD
		}
		if least := min(usd["mixed"], usd["quantile"]); usd["hedged"] > 1.1*least {
			t.Errorf("%s: %v", name, usd)
		}
	}
}

// The same seed gives the same load, and no load falls below zero or ends early.
func TestAdversaries(t *testing.T) {
	for _, a := range evaluate.Adversaries() {
		tr := traceOf(t, a, 3)
		if again := traceOf(t, a, 3); !slices.Equal(tr.Counts, again.Counts) {
			t.Errorf("%s differs from itself", a.Name)
		}
		if len(tr.Counts) != 3600 || slices.Min(tr.Counts) < 0 || slices.Max(tr.Counts) == 0 {
			t.Errorf("%s has %d steps of %g to %g queries", a.Name, len(tr.Counts), slices.Min(tr.Counts), slices.Max(tr.Counts))
		}
	}
}
