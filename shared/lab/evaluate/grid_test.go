//go:build !race

package evaluate_test

// The whole grid plays some 300 million queries: half a minute on two cores, ten
// times that under the race detector. `make test` runs it as a step of its own.

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// verdicts has in how many of the settings in which there was something to
// measure each of the paper's findings holds.
var verdicts = map[string][5]evaluate.Holding{
	"berkeley-like": {{6, 108}, {24, 108}, {11, 36}, {65, 108}, {6, 108}},
	"wits-like":     {{18, 108}, {0, 108}, {38, 72}, {94, 108}, {6, 108}},
	"twitter-like":  {{0, 108}, {0, 108}, {8, 18}, {29, 108}, {58, 108}},
	"wiki-like":     {{0, 108}, {18, 108}, {6, 12}, {6, 108}, {108, 108}},
}

// Where the paper's findings hold is as it was, and the page in the documents is
// the one that comes out. Another architecture rounds otherwise.
func TestGrid(t *testing.T) {
	cases, err := evaluate.GridCases(markets(t)[simulate.Paper2020])
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() { // two minutes of the trace with the fewest queries, which are too few for a verdict
		least := slices.MinFunc(cases, func(a, b comparison.Case) int { return cmp.Compare(a.Trace.Total(), b.Trace.Total()) })
		least.For, least.Warmup = 2*time.Minute, 2*time.Minute
		cases = []comparison.Case{least}
	}
	var grids []evaluate.Grid
	for _, c := range cases {
		g, err := evaluate.PlayGrid(context.Background(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		grids = append(grids, g)
	}
	if runtime.GOARCH != "amd64" || testing.Short() {
		return
	}
	for _, g := range grids {
		var got [5]evaluate.Holding
		for finding := range got {
			got[finding] = g.Holding(finding, evaluate.Everywhere)
		}
		if d := gocmp.Diff(verdicts[g.Trace], got); d != "" {
			t.Errorf("%s: a finding holds elsewhere than it did (-was +is):\n%s", g.Trace, d)
		}
	}
	var page bytes.Buffer
	if err := evaluate.WriteGrid(&page, grids); err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../../../docs/lab/sensitivity.md")
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(string(committed), page.String()); d != "" {
		t.Errorf("docs/lab/sensitivity.md is stale: run make sensitivity\n%s", d)
	}
}
