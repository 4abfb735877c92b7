package mixes_test

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/lab/mixes"
)

// offer has three models: fast and inaccurate, and two that are slower and
// more accurate.
func offer() selection.Offer {
	c := &profile.Catalogue{
		Name: "three", Tasks: []profile.Task{{Name: mixes.Task}},
		Instances: []profile.Instance{{Type: "vm", VCPUs: 2, MemoryMB: 4096, USDPerHour: 0.085, Speed: 1}},
	}
	for _, m := range []struct {
		name     string
		ms, top1 float64
	}{{"fast", 50, 70}, {"middle", 120, 77}, {"slow", 300, 81}} {
		c.Models = append(c.Models, profile.Model{
			Name: m.name, Task: mixes.Task, MemoryMB: 100, Accuracy: profile.Accuracy{Top1Percent: m.top1},
			Latency: []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: m.ms, P95: m.ms, P99: m.ms}}},
		})
	}
	o, err := mixes.Offer(c, []string{"fast", "middle", "slow"}, "vm")
	if err != nil {
		panic(err)
	}
	return o
}

// What chance may choose is listed whole, and each outcome once.
func TestOutcomes(t *testing.T) {
	need := query.Need{Task: mixes.Task, Optimize: query.Cost, Constraints: query.Constraints{LatencyMS: 320, Accuracy: 75}}
	want := map[string]map[string]bool{ // by choice: each model, and whether it breaks a bound
		mixes.Selection:     {"middle": false},
		mixes.NaiveFeasible: {"middle": false, "slow": false},
		mixes.NaiveAny:      {"fast": true, "middle": false, "slow": false},
	}
	for _, c := range mixes.Choices() {
		xs, err := c.Outcomes(need, offer())
		if err != nil {
			t.Fatal(err)
		}
		if len(xs) != len(want[c.Name]) {
			t.Errorf("%s: %d outcomes, want %d", c.Name, len(xs), len(want[c.Name]))
		}
		for _, x := range xs {
			if breaks, ok := want[c.Name][x.Model]; !ok || breaks != mixes.Breaks(need, x) {
				t.Errorf("%s: %s, which breaks a bound: %v", c.Name, x.Model, mixes.Breaks(need, x))
			}
		}
	}
}

func TestWhatNothingKeepsHasNoOutcome(t *testing.T) {
	need := query.Need{Task: mixes.Task, Constraints: query.Constraints{LatencyMS: 60, Accuracy: 80}}
	for _, c := range mixes.Choices() {
		if xs, err := c.Outcomes(need, offer()); err == nil && c.Name != mixes.NaiveAny {
			t.Errorf("%s: %+v", c.Name, xs)
		}
	}
}

func TestEveryMixConstrains(t *testing.T) {
	for _, m := range mixes.All() {
		needs := m.Needs()
		if len(needs) == 0 {
			t.Errorf("%s is empty", m.Name)
		}
		for _, n := range needs {
			if n.Constraints.LatencyMS == 0 && n.Constraints.Accuracy == 0 || n.Optimize != query.Cost {
				t.Errorf("%s: %+v", m.Name, n)
			}
		}
	}
}
