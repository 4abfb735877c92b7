package selection

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// checks is how many random catalogues and needs a run of the tests tries.
const checks = "10000"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", checks); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// option is a candidate as the exhaustive search sees it, from the catalogue
// and the prices alone.
type option struct {
	model             string
	resource          Resource
	latency, accuracy float64
	cost, price       float64 // US dollars
	keeps             bool    // the bounds, under the load
	idleLatency       float64
	idleKeeps         bool
	forbidden         bool // another model is asked for, or a relaxed query has a pool
	noWorker          bool
}

// search lists every option, one loop in another.
func search(n query.Need, o Offer) []option {
	var all []option
	class := n.ClassOf(o.StrictBelowMS)
	for i := range o.Catalogue.Models {
		m := &o.Catalogue.Models[i]
		if m.Task != n.Task {
			continue
		}
		accuracy := m.Accuracy.Top1Percent
		if learnt, ok := o.Accuracy[m.Name]; ok {
			accuracy = learnt
		}
		for _, p := range o.Pools {
			if x, ok := searchVM(o, m, p, class); ok {
				x.accuracy = accuracy
				all = append(all, x)
			}
		}
		for _, x := range searchFunctions(o, m) {
			x.accuracy = accuracy
			x.forbidden = class == query.Relaxed && len(o.Pools) > 0 && !o.Planned
			all = append(all, x)
		}
	}
	for i := range all {
		all[i].finish(n, o)
	}
	return all
}

func searchVM(o Offer, m *profile.Model, p Pool, class query.Class) (option, bool) {
	in, _ := o.Catalogue.Instance(p.InstanceType)
	st, ok := o.Catalogue.OnVM(m, p.InstanceType)
	if !ok || m.MemoryMB+512 > in.MemoryMB {
		return option{}, false
	}
	x := option{model: m.Name, resource: Resource{Kind: query.OnWorker, Name: p.InstanceType}}
	x.idleLatency = o.PathMS + st.MS.P99
	x.latency = x.idleLatency
	x.price = pricing.WorkerQueryUSD(in, st.MS.P50)
	x.cost = x.price
	if !o.Planned {
		if p.Runners > 0 {
			x.latency += p.AheadMS / float64(p.Runners)
			x.cost = 0
		} else {
			x.noWorker = class == query.Strict
		}
	}
	return x, true
}

func searchFunctions(o Offer, m *profile.Model) []option {
	var all []option
	sizes, _ := o.Catalogue.FunctionSizes(o.Arch)
	for _, mb := range sizes.MemoryMB {
		st, ok := o.Catalogue.OnFunction(m, o.Arch, mb)
		if !ok || m.MemoryMB > mb {
			continue
		}
		x := option{model: m.Name, resource: Resource{Kind: query.OnFunction, Name: "lambda-" + o.Arch, MemoryMB: mb}}
		x.latency = o.OverflowPathMS + st.MS.P95
		if o.ColdShare >= 0.05 {
			x.latency += st.ColdMS.P95
		}
		x.idleLatency = x.latency
		x.price = pricing.MeanFunctionUSD(o.Catalogue.Prices, pricing.Invocations{
			Arch: o.Arch, MemoryMB: mb, ServiceMS: st.MS.P50, ColdMS: st.ColdMS.P50, ColdShare: o.ColdShare,
		})
		x.cost = x.price
		all = append(all, x)
	}
	return all
}

func (x *option) finish(n query.Need, o Offer) {
	c := n.Constraints
	x.forbidden = x.forbidden || n.Model != "" && n.Model != x.model || c.LatencyMS > 0 && c.LatencyMS < o.FloorMS
	fits := (c.Accuracy == 0 || x.accuracy >= c.Accuracy) &&
		(c.CostUSDPerMillion == 0 || x.price <= c.CostUSDPerMillion/1e6)
	x.keeps = !x.forbidden && !x.noWorker && fits && (c.LatencyMS == 0 || x.latency <= c.LatencyMS)
	x.idleKeeps = !x.forbidden && fits && (c.LatencyMS == 0 || x.idleLatency <= c.LatencyMS)
}

func (x option) is(c Candidate) bool { return x.model == c.Model && x.resource == c.Resource }

// Random catalogues, offers and needs. Few values of each figure, so that ties
// and bounds met exactly are common.

func drawPercentiles(t *rapid.T, name string) profile.Percentiles {
	p50 := float64(rapid.IntRange(1, 40).Draw(t, name)) * 5
	return profile.Percentiles{P50: p50, P95: p50 * 1.25, P99: p50 * 1.5}
}

func drawCatalogue(t *rapid.T) *profile.Catalogue {
	c := &profile.Catalogue{
		Name:  "random",
		Tasks: []profile.Task{{Name: "task"}},
		Instances: []profile.Instance{
			{Type: "small", VCPUs: 2, MemoryMB: 1024, Arch: "x86_64", USDPerHour: 0.085, Speed: 1},
			{Type: "large", VCPUs: 8, MemoryMB: 8192, Arch: "x86_64", USDPerHour: 0.5, Speed: 1.25},
		},
		Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{256, 1024, 1769, 3008}, MBPerVCPU: 1769, Speed: 1}},
		Prices:    profile.Prices{LambdaGBSecondX86: 0.0000166667, LambdaPerRequest: 2e-7, LambdaGrainMS: rapid.SampledFrom([]float64{1, 100}).Draw(t, "grain")},
	}
	for i := range rapid.IntRange(1, 6).Draw(t, "models") {
		cold := drawPercentiles(t, "cold").Scaled(10)
		c.Models = append(c.Models, profile.Model{
			Name: fmt.Sprintf("m%d", i), Task: "task", MemoryMB: rapid.SampledFrom([]int{100, 600, 2000}).Draw(t, "memory"),
			Accuracy: profile.Accuracy{Top1Percent: float64(rapid.IntRange(50, 60).Draw(t, "top1"))},
			Latency:  []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: drawPercentiles(t, "ms"), ColdMS: &cold}},
		})
	}
	return c
}

func drawOffer(t *rapid.T) Offer {
	o := Offer{
		Catalogue: drawCatalogue(t), StrictBelowMS: 300, PathMS: 15, OverflowPathMS: 20,
		FloorMS:   rapid.SampledFrom([]float64{0, 30}).Draw(t, "floor"),
		ColdShare: rapid.SampledFrom([]float64{0, 0.01, 0.2}).Draw(t, "cold share"),
		Arch:      rapid.SampledFrom([]string{"", "x86_64"}).Draw(t, "arch"),
		Planned:   rapid.Bool().Draw(t, "planned"),
	}
	for _, typ := range []string{"small", "large"} {
		if rapid.Bool().Draw(t, typ) {
			o.Pools = append(o.Pools, Pool{
				InstanceType: typ, Runners: rapid.IntRange(0, 3).Draw(t, "runners"),
				AheadMS: float64(rapid.SampledFrom([]int{0, 0, 90, 400}).Draw(t, "ahead")),
			})
		}
	}
	if rapid.Bool().Draw(t, "learnt") {
		o.Accuracy = map[string]float64{"m0": float64(rapid.IntRange(40, 60).Draw(t, "learnt top1"))}
	}
	return o
}

func drawNeed(t *rapid.T) query.Need {
	n := query.Need{Task: "task"}
	n.Constraints.LatencyMS = float64(rapid.SampledFrom([]int{0, 20, 60, 120, 250, 1000}).Draw(t, "latency"))
	n.Constraints.Accuracy = float64(rapid.SampledFrom([]int{0, 45, 52, 55, 59}).Draw(t, "accuracy"))
	n.Constraints.CostUSDPerMillion = rapid.SampledFrom([]float64{0, 0.3, 0.8, 2, 10}).Draw(t, "cost")
	n.Optimize = rapid.SampledFrom([]query.Dimension{"", query.Latency, query.Accuracy, query.Cost}).Draw(t, "optimize")
	if n.Optimize == "" && rapid.Bool().Draw(t, "weighted") {
		share := func(name string) float64 { return float64(rapid.IntRange(0, 3).Draw(t, name)) / 3 }
		n.Weights = query.Weights{Latency: share("w latency"), Accuracy: share("w accuracy"), Cost: share("w cost")}
	}
	if rapid.IntRange(0, 4).Draw(t, "model asked for") == 0 {
		n.Model = "m0"
	}
	return n
}

// Selection against the exhaustive search: never outside a bound, never
// dominated, optimal in its objective; and what is refused cannot be had.
func TestAgainstExhaustiveSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, n := drawOffer(t), drawNeed(t)
		options := search(n, o)
		ranked, err := Choose(n, o)
		picked, class, pickErr := Pick(n, o)
		if (err == nil) != (pickErr == nil) || class != n.ClassOf(o.StrictBelowMS) {
			t.Fatalf("Pick says %v and %q, Choose %v", pickErr, class, err)
		}
		if err != nil {
			refused(t, n, o, options, err)
			return
		}
		if c := ranked.Chosen(); c != picked {
			t.Fatalf("Pick %+v, Choose %+v", picked, c)
		}
		held(t, n, o, options, picked)
	})
}

// held checks the winner.
func held(t *rapid.T, n query.Need, o Offer, options []option, c Candidate) {
	var mine option
	any := false
	for _, x := range options {
		any = any || x.keeps
		if x.is(c) {
			mine = x
		}
	}
	if c.Waits == any {
		t.Fatalf("waits is %v, and under the load something keeps the bounds is %v", c.Waits, any)
	}
	if !c.Waits && !mine.keeps || c.Waits && !mine.idleKeeps {
		t.Fatalf("%+v breaks a bound of %+v: %+v", c, n, mine)
	}
	for _, x := range options {
		candidate := x.keeps || c.Waits && x.idleKeeps
		if candidate && beats(x, mine, n, c.Waits) {
			t.Fatalf("%+v is better than the chosen %+v for %+v", x, mine, n)
		}
	}
}

// beats reports whether x dominates the winner, or is better in what is
// optimized. The price counts in addition to the marginal cost: of two free slots the
// one that takes less of a worker is better.
func beats(x, won option, n query.Need, idle bool) bool {
	latency := func(o option) float64 {
		if idle {
			return o.idleLatency
		}
		return o.latency
	}
	cost := func(o option) float64 {
		if idle {
			return o.price
		}
		return o.cost
	}
	noWorse := latency(x) <= latency(won) && x.accuracy >= won.accuracy && cost(x) <= cost(won) && x.price <= won.price
	better := latency(x) < latency(won) || x.accuracy > won.accuracy || cost(x) < cost(won)
	if noWorse && better {
		return true
	}
	switch n.Objective() {
	case query.Latency:
		return latency(x) < latency(won)
	case query.Accuracy:
		return x.accuracy > won.accuracy
	case query.Cost:
		return cost(x) < cost(won)
	}
	return false
}

// refused checks that what was refused cannot be had, and that what is said to
// be possible is.
func refused(t *rapid.T, n query.Need, o Offer, options []option, err error) {
	var u *Unsatisfiable
	if !errors.As(err, &u) {
		if n.Model != "" && errors.Is(err, ErrUnknownModel) {
			return
		}
		t.Fatalf("error %v", err)
	}
	for _, x := range options {
		if x.keeps || x.idleKeeps {
			t.Fatalf("refused with %v, though %+v keeps the bounds", err, x)
		}
	}
	if u.Nearest == nil {
		return
	}
	again := n
	again.Constraints = u.Possible
	again.Class = n.ClassOf(o.StrictBelowMS)
	if _, _, err := Pick(again, o); err != nil {
		t.Fatalf("%+v was said to be possible instead of %+v, and is not: %v", u.Possible, n.Constraints, err)
	}
}

func TestNeedsThatNothingMends(t *testing.T) {
	c := &profile.Catalogue{Tasks: []profile.Task{{Name: "task"}}}
	bad := func(c query.Constraints) query.Need { return query.Need{Task: "task", Constraints: c} }
	for _, tt := range []struct {
		name string
		need query.Need
		want error
	}{
		{"task", query.Need{Task: "shoes"}, ErrUnknownTask},
		{"model", query.Need{Task: "task", Model: "m"}, ErrUnknownModel},
		{"NaN", bad(query.Constraints{LatencyMS: math.NaN()}), ErrInvalid},
		{"negative", bad(query.Constraints{CostUSDPerMillion: -1}), ErrInvalid},
		{"infinite", bad(query.Constraints{LatencyMS: math.Inf(1)}), ErrInvalid},
		{"above 100 %", bad(query.Constraints{Accuracy: 101}), ErrInvalid},
		{"objective", query.Need{Task: "task", Optimize: "fame"}, ErrInvalid},
		{"weight", query.Need{Task: "task", Weights: query.Weights{Cost: -1}}, ErrInvalid},
	} {
		if _, err := Choose(tt.need, Offer{Catalogue: c}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, not %v", tt.name, err, tt.want)
		}
	}
}
