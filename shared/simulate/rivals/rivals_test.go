package rivals_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// failer is a test, or one run of a property.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// played is a run of a scheme on counts by the second, after ten minutes of the
// first one. A worker answers eight queries a second.
func played(t failer, name string, counts []float64, change func(*simulate.Config)) (simulate.Result, []simulate.Moment) {
	t.Helper()
	scheme, err := rivals.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	var seen []simulate.Moment
	before := slices.Repeat(counts[:1], 600)
	c := simulate.Config{
		Trace: arrivals.Trace{Step: time.Second, Counts: append(before, counts...)}, From: 10 * time.Minute, Warmup: 10 * time.Minute,
		Scheme: scheme, Settings: settings.Defaults(), Strict: 0.5, StrictMS: 1000, RelaxMS: 10000, MetricDelay: time.Minute, Workers: -1, Seed: 1,
		ColdStarts: true, KeepAliveSeconds: 600, Machinery: pricing.PerQuery{DirectUSD: 1e-6, OverflowUSD: 3e-6, AsyncUSD: 4e-6},
		Pools: []simulate.Pool{{Name: "p", Runners: 2, USDPerHour: 0.1, Share: 1, Models: []simulate.Model{
			{Name: "m", ServiceMS: 250, FunctionMS: 300, ColdMS: 100, USD: 1e-5, ColdUSD: 2e-5, MemoryMB: 1769}}}},
		Watch: func(m simulate.Moment) { seen = append(seen, m) },
	}
	if change != nil {
		change(&c)
	}
	r, err := simulate.Run(c)
	if err != nil {
		t.Fatal(err)
	}
	return r, seen
}

func flat(rate float64, seconds int) []float64 { return slices.Repeat([]float64{rate}, seconds) }

// workers are the mean of those that were billed.
func workers(r simulate.Result) float64 { return r.VMSeconds / r.Seconds }

// Under flat load each rival holds the utilization that it aims at.
func TestFlatLoad(t *testing.T) {
	const rate, eachAnswers = 80, 8.0
	for _, tt := range []struct {
		name        string
		least, most float64 // workers
	}{
		{"quantile", rate / eachAnswers, rate/eachAnswers + 1},
		{"target_tracking", rate / eachAnswers / 0.75, rate / eachAnswers / 0.49},
		{"kpa", rate / eachAnswers / 0.7, rate/eachAnswers/0.7 + 1},
		{"all_functions", 0, 0},
		{"managed_instances", 2 * rate / eachAnswers, 2*rate/eachAnswers + 2},
	} {
		r, _ := played(t, tt.name, flat(rate, 3600), nil)
		if got := workers(r); got < tt.least || got > tt.most {
			t.Errorf("%s: %.1f workers, want %.1f to %.1f", tt.name, got, tt.least, tt.most)
		}
		if r.Strict.Ratio() > 0.005 || r.Strict.Rejected+r.Relaxed.Rejected > 0 {
			t.Errorf("%s: missed %.4f of the strict, rejected %d", tt.name, r.Strict.Ratio(), r.Strict.Rejected+r.Relaxed.Rejected)
		}
	}
}

// A function for each query: nothing else is paid for, every query overflows.
func TestAllFunctions(t *testing.T) {
	r, _ := played(t, "all_functions", flat(20, 600), nil)
	n := float64(r.Arrived())
	if r.Bill.Workers != 0 || r.OverflowRatio() != 1 || math.Abs(r.Bill.Functions-n*1e-5) > 0.01*n*1e-5 {
		t.Errorf("%+v, %.3f overflow", r.Bill, r.OverflowRatio())
	}
	// Three thousand at once are more than an account may run.
	crowd, _ := played(t, "all_functions", append(flat(1, 10), flat(6000, 3)...), nil)
	if crowd.Strict.Rejected == 0 || crowd.Strict.Missed < crowd.Strict.Rejected {
		t.Errorf("of a crowd %d were rejected, %d missed", crowd.Strict.Rejected, crowd.Strict.Missed)
	}
}

// Managed instances are three at least, 15 % more expensive, and reject what more than
// doubles while they scale.
func TestManagedInstances(t *testing.T) {
	r, _ := played(t, "managed_instances", flat(1, 3600), nil)
	if math.Abs(workers(r)-3) > 0.01 || math.Abs(r.Bill.Workers-3*0.1*1.15) > 0.005 {
		t.Errorf("%.2f workers for $%.4f an hour", workers(r), r.Bill.Workers)
	}
	for _, tt := range []struct {
		rate     float64
		rejected bool
	}{{75, false}, {600, true}} {
		r, _ := played(t, "managed_instances", append(flat(40, 600), flat(tt.rate, 300)...), nil)
		if got := r.Strict.Rejected+r.Relaxed.Rejected > 0; got != tt.rejected {
			t.Errorf("from 40 to %v a second: rejected %v", tt.rate, got)
		}
	}
}

// Target tracking acts after three minutes above its target, and after fifteen
// below 70 % of it.
func TestTargetTrackingWaitsForItsAlarms(t *testing.T) {
	const step = 20 * time.Minute // of the run, ten of them warm up
	changed := func(to float64) time.Duration {
		_, seen := played(t, "target_tracking", append(flat(40, 600), flat(to, 3600)...), nil)
		for i, m := range seen[1:] {
			if m.At > step && m.Decision.Workers != seen[i].Decision.Workers {
				return m.At - step
			}
		}
		return 0
	}
	if at := changed(70); at < 3*time.Minute || at > 5*time.Minute {
		t.Errorf("scaled out after %v", at)
	}
	if at := changed(10); at < 15*time.Minute || at > 17*time.Minute {
		t.Errorf("scaled in after %v", at)
	}
}

// In a panic kpa follows the last six seconds, and keeps its pods for a minute.
func TestKPAPanics(t *testing.T) {
	counts := append(append(flat(40, 600), flat(160, 20)...), flat(40, 600)...)
	_, seen := played(t, "kpa", counts, nil)
	most, until := 0, time.Duration(0)
	calm := seen[len(seen)-1].Decision.Workers
	for _, m := range seen {
		if n := m.Decision.Workers; n > most {
			most = n
		}
		if m.Decision.Workers > 2*calm {
			until = m.At
		}
	}
	began := 20 * time.Minute
	if most < 26 || until-began < time.Minute || until-began > 3*time.Minute {
		t.Errorf("%d pods at most and %d in the end; more than twice as many for %v", most, calm, until-began)
	}
}

// The rivals are not offered to a stage, and no rival has a scheme's name.
func TestNames(t *testing.T) {
	names := rivals.Names()
	if len(names) != len(procurement.Names())+len(rivals.All()) || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Errorf("names %v", names)
	}
	for _, r := range rivals.All() {
		if _, err := procurement.Get(r.Name()); err == nil {
			t.Errorf("%s can be set on a stage", r.Name())
		}
		if rivals.Origin(r.Name()) == "" {
			t.Errorf("nothing says what %s is", r.Name())
		}
	}
	for _, s := range procurement.All() {
		if rivals.Origin(s.Name()) != "" {
			t.Errorf("scheme %s is said to be a rival", s.Name())
		}
	}
	if _, err := rivals.Get("none"); err == nil {
		t.Error("a scheme that does not exist was found")
	}
}

// Whatever comes, every query ends once, as deployed as by definition, and the
// machinery is the sum of its paths.
func TestEveryQueryEndsOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		counts := rapid.SliceOfN(rapid.Float64Range(0, 120), 30, 240).Draw(rt, "counts")
		name := rapid.SampledFrom(rivals.All()).Draw(rt, "rival").Name()
		deployed := rapid.Bool().Draw(rt, "deployed")
		r, _ := played(rt, name, counts, func(c *simulate.Config) {
			if deployed {
				c.AsDeployed = &simulate.AsDeployed{}
			}
		})
		left := int64(0)
		for _, k := range []simulate.Class{r.Strict, r.Relaxed} {
			left += k.Arrived - k.Succeeded - k.Expired - k.Rejected
		}
		if p := r.Bill.Paths; left != r.InSystem || left != 0 || math.Abs(p.Direct+p.Overflow+p.Asynchronous-r.Bill.Machinery) > 1e-9 {
			rt.Fatalf("%s: %d left, %d in the system, %+v", name, left, r.InSystem, r.Bill)
		}
	})
}
