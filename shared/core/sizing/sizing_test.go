package sizing

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

func catalogue(p50, p99 float64) (*profile.Catalogue, *profile.Model) {
	c := &profile.Catalogue{
		Models: []profile.Model{{Name: "m", Task: "t", MemoryMB: 300, Latency: []profile.Latency{{
			Resource: "reference", Threads: 1, Batch: 1, MS: profile.Percentiles{P50: p50, P95: p99, P99: p99},
			ColdMS: &profile.Percentiles{P50: 500, P95: 600, P99: 700},
		}}}},
		Instances: []profile.Instance{
			{Type: "two", VCPUs: 2, MemoryMB: 4096, USDPerHour: 0.1, Speed: 1},
			{Type: "four", VCPUs: 4, MemoryMB: 8192, USDPerHour: 0.2, Speed: 1},
			{Type: "fast", VCPUs: 2, MemoryMB: 4096, USDPerHour: 0.15, Speed: 2},
			{Type: "tiny", VCPUs: 1, MemoryMB: 512, USDPerHour: 0.01, Speed: 1},
		},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{256, 512, 1024, 1769, 3008}, MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 2e-7, LambdaGrainMS: 1},
	}
	return c, &c.Models[0]
}

func TestSlots(t *testing.T) {
	c, m := catalogue(100, 150)
	for _, tt := range []struct {
		typ    string
		bound  float64
		path   float64
		places int
		rate   float64
	}{
		{"two", 500, 20, 6, 20}, // floor(480 ÷ 150) deep, two at once
		{"four", 500, 20, 12, 40},
		{"fast", 500, 20, 12, 40}, // 75 ms: six deep
		{"two", 160, 20, 0, 20},   // not even alone
	} {
		s, ok := SlotsOnVM(c, m, tt.typ, tt.bound, tt.path)
		if !ok || s.Places != tt.places || s.PerSecond != tt.rate {
			t.Errorf("%s at %v ms: %+v", tt.typ, tt.bound, s)
		}
	}
}

func share(v float64) func(int) float64 { return func(int) float64 { return v } }

func TestRankFunctions(t *testing.T) {
	c, m := catalogue(100, 110)
	measured(m, 512, 310, 2000)
	measured(m, 1024, 170, 1000)
	measured(m, 1769, 110, 600)
	for _, tt := range []struct {
		name   string
		bound  float64
		cold   float64
		want   int
		inTime bool
	}{
		{"the cheapest in time", 1000, 0, 512, true},
		{"a tighter bound wants more", 200, 0, 1024, true},
		{"nothing in time: the fastest", 50, 0, 1769, false},
		{"cold starts weighed in", 1000, 0.1, 1769, true},
	} {
		got := RankFunctions(c, m, "x86_64", Wants{BoundMS: tt.bound}, share(tt.cold))
		if got[0].MemoryMB != tt.want || got[0].InTime != tt.inTime {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	price := func(mb int) float64 { // of a query there, and a bit
		for _, s := range RankFunctions(c, m, "x86_64", Wants{BoundMS: 1000}, Warm) {
			if s.MemoryMB == mb {
				return s.QueryUSD * 1.001
			}
		}
		return 0
	}
	for _, tt := range []struct {
		name string
		most float64
		want int
	}{
		{"no bound on the cost", 0, 1769},
		{"a bound that all keep", 1, 1769},
		{"what the fastest costs is too much", price(1024), 1024},
		{"none can be paid", price(512) / 2, 1769},
	} {
		need := query.Need{Optimize: query.Latency, Constraints: query.Constraints{CostUSDPerMillion: 1e6 * tt.most}}
		if got := RankFunctions(c, m, "x86_64", WantsOf(need, 1000), Warm); got[0].MemoryMB != tt.want {
			t.Errorf("optimize latency, %s: %+v", tt.name, got)
		}
	}
	if got := RankFunctions(c, m, "arm64", Wants{BoundMS: 1000}, Warm); len(got) != 0 {
		t.Errorf("sizes of an architecture that is not there: %+v", got)
	}
}

// measured adds the figures of a function size, in milliseconds.
func measured(m *profile.Model, mb int, ms, cold float64) {
	m.Latency = append(m.Latency, profile.Latency{
		Resource: "lambda-x86_64", MemoryMB: mb, Threads: 1, Batch: 1,
		MS: profile.Percentiles{P50: ms, P95: ms, P99: ms}, ColdMS: &profile.Percentiles{P50: cold, P95: cold, P99: cold},
	})
}

func TestMoreMemoryCanBeCheaper(t *testing.T) {
	c, m := catalogue(100, 110)
	c.Functions[0].MemoryMB = []int{512, 1024, 1769}
	measured(m, 512, 900, 0)
	measured(m, 1024, 300, 0)
	measured(m, 1769, 250, 0)
	if got := RankFunctions(c, m, "x86_64", Wants{BoundMS: 2000}, Warm); got[0].MemoryMB != 1024 || got[0].Estimated {
		t.Errorf("%+v", got)
	}
}

func TestRankInstances(t *testing.T) {
	c, m := catalogue(100, 150)
	got := RankInstances(c, m, 30, 500)
	if len(got) != 3 || got[0].InstanceType != "fast" || got[0].VMs != 1 || got[1].InstanceType != "two" || got[1].VMs != 2 {
		t.Errorf("%+v", got)
	}
}

// Whatever the rate, the fleet carries it and no VM of it could go.
func TestRankInstancesCarryTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, m := catalogue(rapid.Float64Range(1, 400).Draw(t, "ms"), 400)
		rate := rapid.Float64Range(0.1, 500).Draw(t, "rate")
		for _, f := range RankInstances(c, m, rate, 1000) {
			s, _ := SlotsOnVM(c, m, f.InstanceType, 1000, 0)
			if float64(f.VMs)*s.PerSecond < rate*(1-1e-6) {
				t.Fatalf("%+v carries %v of %v", f, float64(f.VMs)*s.PerSecond, rate)
			}
			if f.VMs > 1 && float64(f.VMs-1)*s.PerSecond > rate {
				t.Fatalf("%+v has a VM too many for %v", f, rate)
			}
		}
	})
}
