package selection

import (
	"errors"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// pair is a small and a large model, on a two-vCPU type and on functions.
func pair() *profile.Catalogue {
	model := func(name string, ms, top1 float64) profile.Model {
		return profile.Model{
			Name: name, Task: "task", MemoryMB: 100, Accuracy: profile.Accuracy{Top1Percent: top1},
			Latency: []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: ms, P95: ms, P99: ms}}},
		}
	}
	return &profile.Catalogue{
		Name: "pair", Tasks: []profile.Task{{Name: "task"}},
		Models:    []profile.Model{model("small", 10, 80), model("large", 100, 90)},
		Instances: []profile.Instance{{Type: "vm", VCPUs: 2, MemoryMB: 4096, USDPerHour: 0.085, Speed: 1}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{512, 1769}, MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 2e-7, LambdaGrainMS: 1},
	}
}

func idlePool() Offer {
	return Offer{Catalogue: pair(), InstanceType: "vm", Runners: 2, Arch: "x86_64", StrictBelowMS: 2000}
}

func need(latencyMS, accuracy, usd float64) query.Need {
	return query.Need{Task: "task", Constraints: query.Constraints{LatencyMS: latencyMS, Accuracy: accuracy, CostUSDPerMillion: usd}}
}

func TestChoice(t *testing.T) {
	busy, empty, noFunctions := idlePool(), idlePool(), idlePool()
	busy.AheadMS = 4000
	empty.Runners = 0
	noFunctions.Arch, noFunctions.AheadMS = "", 4000
	for _, tt := range []struct {
		name  string
		need  query.Need
		offer Offer
		want  string // model, resource
		waits bool
	}{
		{"no bound: the cheapest", need(0, 0, 0), idlePool(), "small vm", false},
		{"accuracy bound", need(0, 85, 0), idlePool(), "large vm", false},
		{"latency and cost bound: the most accurate", need(500, 0, 10), idlePool(), "large vm", false},
		{"accuracy and cost bound: the fastest", need(0, 75, 10), idlePool(), "small vm", false},
		{"a cost bound holds for the price, not for the free slot", need(500, 0, 0.2), idlePool(), "small vm", false},
		{"strict, no slot in time: a function", need(500, 85, 0), busy, "large lambda-x86_64 at 1769 MB", false},
		{"strict, no worker: the cheapest function in time", need(50, 0, 0), empty, "small lambda-x86_64 at 1769 MB", false},
		{"strict, too expensive on functions: it waits", need(500, 85, 2), busy, "large vm", true},
		{"strict, no functions: it waits", need(500, 85, 0), noFunctions, "large vm", true},
		{"relaxed, no worker: it waits", need(10000, 85, 0), empty, "large vm", false},
		{"relaxed under load: what is in time", need(2100, 0, 0), busy, "small vm", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Choose(tt.need, tt.offer)
			if err != nil {
				t.Fatal(err)
			}
			c := r.Chosen()
			if got := c.Model + " " + c.Resource.String(); got != tt.want || c.Waits != tt.waits {
				t.Errorf("%s, waits %v; want %s, %v; %+v", got, c.Waits, tt.want, tt.waits, r.Candidates)
			}
		})
	}
}

func TestAFreeSlotCostsNothing(t *testing.T) {
	r, err := Choose(need(500, 85, 0), idlePool())
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Chosen(); c.CostUSD != 0 || c.PriceUSD <= 0 || c.Resource.Kind != query.OnWorker {
		t.Errorf("%+v", c)
	}
	planned := idlePool()
	planned.Planned = true
	if r, err = Choose(need(500, 85, 0), planned); err != nil || r.Chosen().CostUSD != r.Chosen().PriceUSD {
		t.Errorf("planned: %+v, %v", r.Chosen(), err)
	}
}

func TestColdStartsCount(t *testing.T) {
	o := idlePool()
	o.Runners = 0
	o.Catalogue.Models[0].Latency[0].ColdMS = &profile.Percentiles{P50: 300, P95: 400, P99: 500}
	o.ColdShare = 0.04
	warm, _, err := Pick(need(200, 0, 0), o)
	if err != nil || warm.Resource.Kind != query.OnFunction {
		t.Fatalf("at 4 %% cold: %+v, %v", warm, err)
	}
	o.ColdShare = 0.06
	cold, _, err := Pick(need(600, 0, 0), o)
	if err != nil || cold.LatencyMS <= 400 || cold.Resource.MemoryMB != 1769 {
		t.Errorf("at 6 %% cold: %+v, %v", cold, err)
	}
}

func TestReasons(t *testing.T) {
	n := need(50, 0, 0.3)
	n.Optimize = query.Cost
	r, err := Choose(n, idlePool())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range r.Candidates {
		lines = append(lines, c.Model+" "+c.Resource.String()+": "+c.Reason)
	}
	got := strings.Join(lines, "\n")
	want := strings.Join([]string{
		"small vm: cheapest within the bounds",
		"small lambda-x86_64 at 1769 MB: cost $0.4879 per million queries, above the bound of $0.3000",
		"small lambda-x86_64 at 512 MB: cost $0.4917 per million queries, above the bound of $0.3000",
		"large vm: latency 100.0 ms, above the bound of 50.0 ms",
		"large lambda-x86_64 at 1769 MB: latency 100.0 ms, above the bound of 50.0 ms",
		"large lambda-x86_64 at 512 MB: latency 345.5 ms, above the bound of 50.0 ms",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUnsatisfiableSaysWhatCanBeHad(t *testing.T) {
	floor := idlePool()
	floor.FloorMS = 40
	for _, tt := range []struct {
		name  string
		need  query.Need
		offer Offer
		want  string
	}{
		{"too accurate", need(500, 95, 0), idlePool(), "no model meets these bounds; the nearest is large on vm with 90.00 % accuracy (requested: 95 %)"},
		{"too fast", need(5, 0, 0), idlePool(), "no model meets these bounds; the nearest is small on vm with 10 ms (requested: 5 ms)"},
		{"too cheap", need(0, 0, 0.01), idlePool(), "no model meets these bounds; the nearest is small on vm with $0.1181 per million queries (requested: $0.01)"},
		{"below the floor", need(20, 0, 0), floor, "no model meets these bounds; the nearest is small on vm with 40 ms (requested: 20 ms); the lowest latency bound that this stage can keep is 40 ms"},
		{"nothing on offer", need(20, 0, 0), Offer{Catalogue: pair()}, `no worker and no function can run a model of task "task"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Choose(tt.need, tt.offer)
			var u *Unsatisfiable
			if !errors.As(err, &u) || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
