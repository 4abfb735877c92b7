package evaluate_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// ran is a scheme's row with its cost and misses, in units that are easy to read.
func ran(vmHours, usd, missed float64) comparison.Ran {
	return comparison.Ran{Row: comparison.Row{VMHours: vmHours, CostUSD: usd, VMUSD: usd, SLOViolation: missed, StrictViolation: missed}}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name                   string
		reactive, other, mixed comparison.Ran
		finding                int
		holds                  bool
		why                    string
	}{
		{"a quarter more", ran(100, 1, .02), ran(125, 1, .01), ran(0, 0, 0), evaluate.MoreVMsUtilAware, true, ""},
		{"a fifth more", ran(100, 1, 0), ran(120, 1, 0), ran(0, 0, 0), evaluate.MoreVMsUtilAware, true, ""},
		{"a tenth more", ran(100, 1, .02), ran(110, 1, .01), ran(0, 0, 0), evaluate.MoreVMsUtilAware, false, "too few"},
		{"half more", ran(100, 1, .02), ran(150, 1, .01), ran(0, 0, 0), evaluate.MoreVMsUtilAware, false, "too many"},
		{"more, and more missed", ran(100, 1, .02), ran(125, 1, .03), ran(0, 0, 0), evaluate.MoreVMsUtilAware, false, "misses more"},
		{"cuts at like cost", ran(100, 1, .02), ran(0, 0, 0), ran(90, 1.1, .008), evaluate.MixedCuts, true, ""},
		{"cuts too little", ran(100, 1, .02), ran(0, 0, 0), ran(90, 1, .009), evaluate.MixedCuts, false, "too little"},
		{"cuts at a price", ran(100, 1, .02), ran(0, 0, 0), ran(90, 1.2, .001), evaluate.MixedCuts, false, "costs 1.20"},
		{"nothing to cut", ran(100, 1, 0), ran(0, 0, 0), ran(90, 1, 0), evaluate.MixedCuts, false, "none missed"},
		{"a tenth cheaper", ran(100, 1, 0), ran(0, .89, .005), ran(90, 1, .001), evaluate.ParagonSaves, true, ""},
		{"hardly cheaper", ran(100, 1, 0), ran(0, .95, 0), ran(90, 1, 0), evaluate.ParagonSaves, false, "too little"},
		{"cheaper, and more missed", ran(100, 1, 0), ran(0, .5, .2), ran(90, 1, 0), evaluate.ParagonSaves, false, "misses more"},
	} {
		rows := map[string]comparison.Ran{"reactive": c.reactive, "util_aware": c.other, "exascale": c.other, "mixed": c.mixed, "paragon": c.other}
		f := evaluate.Findings(rows)[c.finding]
		if f.Holds != c.holds || f.Why != c.why || f.Void != (c.why == "none missed") {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// short is a minute of a made-up trace.
func short(t *testing.T, name string) comparison.Case {
	t.Helper()
	c := window(t, name, markets(t)[simulate.Paper2020])
	c.For, c.Warmup, c.References = time.Minute, time.Minute, false
	return c
}

func one(t *testing.T, c comparison.Case, scheme string) comparison.Row {
	t.Helper()
	s, err := procurement.Get(scheme)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := comparison.Play(context.Background(), c, []procurement.Scheme{s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rows[0].Row
}

// The grid prices one run at every ratio, and plays util_aware once for all
// reactive rules: playing them apart comes to the same.
func TestGridLeavesOutWhatChangesNothing(t *testing.T) {
	for _, scheme := range []string{"mixed", "paragon"} {
		c := short(t, "wits-like")
		c.Workers = 3 // so that something overflows
		before := one(t, c, scheme)
		c.PriceFactor = 3
		after := one(t, c, scheme)
		if before.LambdaUSD == 0 || math.Abs(after.LambdaUSD-3*before.LambdaUSD) > 1e-9 || after.VMUSD != before.VMUSD || after.SLOViolation != before.SLOViolation {
			t.Errorf("%s: at three times the price it became %+v of %+v", scheme, after, before)
		}
	}
	c := short(t, "wits-like")
	before := one(t, c, "util_aware")
	c.Settings.IdleSeconds, c.Settings.BacklogSeconds = 10, 60
	if after := one(t, c, "util_aware"); after.VMUSD != before.VMUSD || after.SLOViolation != before.SLOViolation {
		t.Errorf("util_aware depends on the reactive rule: %+v and %+v", before, after)
	}
}

func TestSmallGrid(t *testing.T) {
	c := short(t, "twitter-like")
	runs := 0
	g, err := evaluate.PlayGrid(context.Background(), c, func(string) { runs++ })
	if err != nil {
		t.Fatal(err)
	}
	if runs != evaluate.GridRuns() || len(g.Cells) != 3*3*6*2 || len(g.Headrooms) != 6*5 || len(g.Used) != 6*5 {
		t.Errorf("%d runs, %d settings, %d headrooms, %d uses", runs, len(g.Cells), len(g.Headrooms), len(g.Used))
	}
	for _, u := range g.Used {
		if !(u.Share > 0 && u.Share <= 1) {
			t.Errorf("%s uses %v of its workers under %s", u.Scheme, u.Share, u.Reactive)
		}
	}
	var page strings.Builder
	if err := evaluate.WriteRecordedGrid(&page, []comparison.Case{c}, []evaluate.Grid{g}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| twitter-like | 600 s | ", "| twitter-like | backlog cleared in 10 s, idle workers closed after 30 s | "} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in\n%s", want, page.String())
		}
	}
	c.From = 100 * time.Hour
	if _, err := evaluate.PlayGrid(context.Background(), c, nil); err == nil || !strings.Contains(err.Error(), "twitter-like") {
		t.Errorf("a window after the end: error %v", err)
	}
}
