package selection

import (
	"fmt"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// twentyByForty is 20 models on 40 resources: 10 instance types and 30 function sizes.
func twentyByForty() (*profile.Catalogue, Offer) {
	c := &profile.Catalogue{
		Name: "bench", Tasks: []profile.Task{{Name: "task"}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 2e-7, LambdaGrainMS: 1},
	}
	o := Offer{Catalogue: c, Arch: "x86_64", StrictBelowMS: 2000, PathMS: 15, OverflowPathMS: 15}
	for i := range 30 {
		c.Functions[0].MemoryMB = append(c.Functions[0].MemoryMB, 256*(i+1))
	}
	for i := range 10 {
		typ := fmt.Sprintf("type%d", i)
		c.Instances = append(c.Instances, profile.Instance{Type: typ, VCPUs: 2 + i, MemoryMB: 8192, USDPerHour: 0.05 * float64(2+i), Speed: 1 + float64(i)/10})
		o.Pools = append(o.Pools, Pool{InstanceType: typ, Runners: i % 3, AheadMS: float64(100 * i)})
	}
	for i := range 20 {
		ms := float64(10 + 20*i)
		c.Models = append(c.Models, profile.Model{
			Name: fmt.Sprintf("model%d", i), Task: "task", MemoryMB: 100,
			Accuracy: profile.Accuracy{Top1Percent: 60 + float64(i)},
			Latency:  []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: ms, P95: ms * 1.2, P99: ms * 1.4}}},
		})
	}
	types := make([]string, len(o.Pools))
	for i, p := range o.Pools {
		types[i] = p.InstanceType
	}
	o.Table = NewTable(c, o.Arch, types...)
	o.Accuracy = map[string]float64{"model3": 61.5, "model7": 66}
	return c, o
}

func TestTheBenchmarkHasAllCandidates(t *testing.T) {
	_, o := twentyByForty()
	r, err := Choose(query.Need{Task: "task", Constraints: query.Constraints{LatencyMS: 1000}}, o)
	if err != nil || len(r.Candidates) != 20*40 {
		t.Errorf("%d candidates, %v", len(r.Candidates), err)
	}
}

func benchmark(b *testing.B, choose func(query.Need, Offer) error) {
	_, o := twentyByForty()
	bounds := query.Constraints{LatencyMS: 500, Accuracy: 70}
	for name, n := range map[string]query.Need{
		"cost":    {Task: "task", Constraints: bounds},
		"weights": {Task: "task", Constraints: bounds, Weights: query.Weights{Latency: 1, Accuracy: 2, Cost: 3}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := choose(n, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A selection, as intake makes one for every query: to stay below 20 µs.
func BenchmarkPick(b *testing.B) {
	benchmark(b, func(n query.Need, o Offer) error { _, _, err := Pick(n, o); return err })
}

// A selection with every candidate's reason, as an explanation needs it.
func BenchmarkChoose(b *testing.B) {
	benchmark(b, func(n query.Need, o Offer) error { _, err := Choose(n, o); return err })
}
