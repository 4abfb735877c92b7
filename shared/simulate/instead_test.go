package simulate

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// twoModels lets the queries of a run choose between m and a model that takes a tenth
// of it and has 80 % instead of 90.
func twoModels(accuracy float64) func(*Config) {
	model := func(name string, ms, top1 float64) profile.Model {
		return profile.Model{
			Name: name, Task: "t", MemoryMB: 100, Accuracy: profile.Accuracy{Top1Percent: top1},
			Latency: []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: ms, P95: ms, P99: ms}}},
		}
	}
	catalogue := &profile.Catalogue{
		Tasks: []profile.Task{{Name: "t"}}, Models: []profile.Model{model("m", 100, 90), model("small", 10, 80)},
		Instances: []profile.Instance{{Type: "vm", VCPUs: 1, MemoryMB: 4096, USDPerHour: 0.1, Speed: 1}},
	}
	return func(c *Config) {
		p := &c.Pools[0]
		small := p.Models[0]
		p.Models[0].Accuracy = 90
		small.Name, small.ServiceMS, small.P99MS, small.FunctionMS, small.Accuracy = "small", 10, 10, 10, 80
		p.Models = append(p.Models, small)
		c.Asks = []Ask{{Strict: true, BoundMS: 500, Served: []Served{{Model: 0}}, Choice: &Choice{
			Need: query.Need{Task: "t", Class: query.Strict, Optimize: query.Accuracy, Constraints: query.Constraints{LatencyMS: 500, Accuracy: accuracy}},
			Offer: selection.Offer{
				Catalogue: catalogue, Table: selection.NewTable(catalogue, "", "vm"), InstanceType: "vm", PathMS: c.Settings.PathMS,
			},
		}}}
	}
}

// Two runners get twice as many queries as they can answer with the model that is
// chosen. With the other one within the bounds they answer nearly all of them, and
// functions what is left; else functions answer half.
func TestAnotherModelBeforeOverflow(t *testing.T) {
	play := func(accuracy float64, downgrade string) Result {
		e := deployedEngine(t, 2, 40, func(c *Config) {
			twoModels(accuracy)(c)
			c.Settings.Downgrade, c.Settings.MaxOverflowConcurrency = downgrade, 1000
		})
		e.play()
		return e.finish()
	}
	with, without, bound := play(75, "on"), play(75, "off"), play(85, "on")
	if r := with; r.OverflowRatio() > 0.1 || r.Strict.Downgraded < r.Arrived()/3 || r.MeanAccuracy() > 88 || r.MeanAccuracy() < 80 || r.Strict.Missed > without.Strict.Missed/10 {
		t.Errorf("with: %.3f overflow, %d of %d downgraded, accuracy %.2f, %d missed", r.OverflowRatio(), r.Strict.Downgraded, r.Arrived(), r.MeanAccuracy(), r.Strict.Missed)
	}
	for _, r := range []Result{without, bound} {
		if r.OverflowRatio() < 0.4 || r.Strict.Downgraded != 0 || r.MeanAccuracy() != 90 {
			t.Errorf("without: %.3f overflow, %d downgraded, accuracy %.2f, %d missed", r.OverflowRatio(), r.Strict.Downgraded, r.MeanAccuracy(), r.Strict.Missed)
		}
	}
	if with.Bill.Total() > 0.9*without.Bill.Total() {
		t.Errorf("$%.6f with, $%.6f without", with.Bill.Total(), without.Bill.Total())
	}
}
