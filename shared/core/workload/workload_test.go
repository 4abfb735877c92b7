package workload

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// catalogue has models of 10 and 30 ms, and one without a network.
func catalogue() *profile.Catalogue {
	model := func(name, file string, p50 float64) profile.Model {
		ms := profile.Percentiles{P50: p50, P95: 2 * p50, P99: 3 * p50}
		return profile.Model{Name: name, File: file, MemoryMB: 100, Latency: []profile.Latency{
			{Resource: "c5.large", Threads: 1, Batch: 1, MS: ms},
			{Resource: "lambda-x86_64", MemoryMB: 1769, Threads: 1, Batch: 1, MS: ms, ColdMS: &profile.Percentiles{P50: 400, P95: 500, P99: 600}},
		}}
	}
	return &profile.Catalogue{
		Models:    []profile.Model{model("a", "a.onnx", 10), model("b", "b.onnx", 30), model("figures only", "", 9000)},
		Instances: []profile.Instance{{Type: "c5.large", VCPUs: 2}},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1769}, MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 1e-5, LambdaPerRequest: 2e-7},
	}
}

func TestMeanServiceMS(t *testing.T) {
	for _, c := range []struct {
		name string
		mean Mean
		typ  string
		want float64
	}{
		{"before the first query: the catalogue's mean", Mean{}, "c5.large", 20},
		{"then what came", Mean{}.Add(5*12, 5), "c5.large", 12},
		{"a type that nobody knows", Mean{}, "x1", 0},
	} {
		if got := MeanServiceMS(Means{ServiceMS: c.mean}, catalogue(), c.typ); got != c.want {
			t.Errorf("%s: %v ms, want %v", c.name, got, c.want)
		}
	}
}

// A mean stays between the least and the greatest that came, and no broken sum
// moves it.
func TestMeanInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Mean
		low, high := math.Inf(1), 0.0
		for range rapid.IntRange(1, 20).Draw(t, "ticks") {
			each, n := rapid.Float64Range(0.01, 1000).Draw(t, "each"), float64(rapid.IntRange(1, 2000).Draw(t, "queries"))
			low, high = min(low, each), max(high, each)
			m = m.Add(each*n, n)
			if m.Value < low*(1-1e-9) || m.Value > high*(1+1e-9) {
				t.Fatalf("a mean of %v of values from %v to %v", m.Value, low, high)
			}
			for _, broken := range []float64{0, -1, math.NaN(), math.Inf(1)} {
				if m.Add(broken, n) != m || m.Add(each, broken) != m {
					t.Fatalf("%v moved the mean", broken)
				}
			}
		}
	})
}

func TestBacklogOf(t *testing.T) {
	busy := fleet.Report{At: now.Add(-100 * time.Millisecond), Runners: 2, Busy: 2, HeldStrict: 1, StrictMS: 400, RelaxedMS: 500}
	for _, c := range []struct {
		name  string
		on    Waiting
		ready []fleet.Report
		want  Backlog
	}{
		{"nothing", Waiting{}, nil, Backlog{}},
		{"on the queues", Waiting{Strict: 2, Relaxed: 3}, nil, Backlog{WaitingMS: 100, StrictMS: 40, RelaxedMS: 60}},
		{"two runners worked 100 ms off", Waiting{}, []fleet.Report{busy}, Backlog{WaitingMS: 20, StrictMS: 200, RelaxedMS: 500}},
		{"all strict work is done by now", Waiting{}, []fleet.Report{{At: now.Add(-time.Second), Runners: 2, StrictMS: 400}}, Backlog{}},
		{"a clock that is ahead adds nothing", Waiting{}, []fleet.Report{{At: now.Add(time.Hour), Runners: 2, StrictMS: 400}}, Backlog{StrictMS: 400}},
		{"both", Waiting{Strict: 1}, []fleet.Report{busy, busy}, Backlog{WaitingMS: 60, StrictMS: 420, RelaxedMS: 1000}},
	} {
		if got := BacklogOf(c.on.Work(20), c.ready, 20, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Another query on a queue, and another worker with work, is never less backlog.
func TestBacklogGrowsWithWork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := Waiting{Strict: rapid.IntRange(0, 50).Draw(t, "strict"), Relaxed: rapid.IntRange(0, 50).Draw(t, "relaxed")}
		var ready []fleet.Report
		for range rapid.IntRange(0, 4).Draw(t, "workers") {
			ready = append(ready, fleet.Report{At: now.Add(-time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond), Runners: 2,
				HeldRelaxed: rapid.IntRange(0, 5).Draw(t, "held"), StrictMS: rapid.Float64Range(0, 900).Draw(t, "strict ms")})
		}
		mean := rapid.Float64Range(0.1, 500).Draw(t, "mean")
		b := BacklogOf(w.Work(mean), ready, mean, now)
		more := BacklogOf(Waiting{Strict: w.Strict + 1, Relaxed: w.Relaxed + 1}.Work(mean), append(ready, fleet.Report{At: now, HeldStrict: 1, StrictMS: 1, RelaxedMS: 1}), mean, now)
		if b.WaitingMS < 0 || b.StrictMS < 0 || b.RelaxedMS < 0 {
			t.Fatalf("%+v", b)
		}
		if !(more.WaitingMS > b.WaitingMS && more.StrictMS > b.StrictMS && more.RelaxedMS > b.RelaxedMS) {
			t.Fatalf("%+v after %+v", more, b)
		}
	})
}

func TestDemandOf(t *testing.T) {
	c := catalogue()
	strict := Planned{Model: &c.Models[0], Class: query.Strict, LatencyMS: 1000, InstanceType: "c5.large", Arch: "x86_64", Paths: sizing.Paths{WorkerMS: 5, FunctionMS: 15, LookAheadMS: 50}}
	relaxed, workersOnly, unknown := strict, strict, strict
	relaxed.Class = query.Relaxed
	workersOnly.Arch = ""
	unknown.InstanceType = "x1"
	if d := DemandOf(c, strict); d.Queries != 1 || d.WorkMS != 10 || d.FunctionUSD <= 0 || d.DeferMS != 0 {
		t.Errorf("strict: %+v", d)
	}
	for warm, want := range map[bool]float64{false: 1000 - 15 - 20 - 500 - 50, true: 1000 - 15 - 20 - sizing.HandOverSlackMS - 50} {
		if relaxed.Warm = warm; DemandOf(c, relaxed).DeferMS != want {
			t.Errorf("relaxed, its function warm %t: %+v, wants to wait for %v ms", warm, DemandOf(c, relaxed), want)
		}
	}
	if d := DemandOf(c, workersOnly); d.FunctionUSD != 0 || d.WorkMS != 10 {
		t.Errorf("without functions: %+v", d)
	}
	if d := DemandOf(c, unknown).Plus(DemandOf(c, strict)); d.Queries != 2 || d.WorkMS != 10 {
		t.Errorf("added up: %+v", d)
	}
}
