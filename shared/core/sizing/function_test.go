package sizing

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestP95WithColdStarts(t *testing.T) {
	for _, tt := range []struct {
		name       string
		warm, cold float64
		share      float64
		want       float64
	}{
		{"none is cold", 90, 600, 0, 90},
		{"one in fifty", 90, 600, 0.02, 90},
		{"just below one in twenty", 90, 600, 0.0499, 90},
		{"one in twenty", 90, 600, 0.05, 690},
		{"one in ten", 90, 600, 0.1, 690},
		{"all", 90, 600, 1, 690},
		{"a cold start that adds nothing", 90, 0, 1, 90},
	} {
		if got := P95MS(tt.warm, tt.cold, tt.share); got != tt.want {
			t.Errorf("%s: %v ms, want %v", tt.name, got, tt.want)
		}
	}
}

// Of a thousand runs of which each cold one is slower than each warm one, the
// 950th is the rule's: the slowest warm run below one cold in twenty, and no
// slower than the slowest cold one from there on.
// A function counts as warm exactly if P95MS of its runs is that of a warm one, and never
// before it has run.
func TestMostlyWarm(t *testing.T) {
	if MostlyWarm(0, 0) {
		t.Error("one that has not run is warm")
	}
	for runs := range int64(200) {
		for cold := range runs + 1 {
			if want := P95MS(100, 1000, float64(cold)/float64(max(1, runs))) == 100; runs > 0 && MostlyWarm(runs, cold) != want {
				t.Errorf("%d cold starts in %d runs: warm is %t", cold, runs, !want)
			}
		}
	}
}

func TestP95IsThatOfTheMixture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		warm := rapid.Float64Range(1, 500).Draw(t, "warm")
		adds := rapid.Float64Range(1, 5000).Draw(t, "adds")
		cold := rapid.IntRange(0, 1000).Draw(t, "cold runs of a thousand")
		runs := make([]float64, 1000)
		for i := range runs {
			runs[i] = warm
			if i < cold {
				runs[i] = warm + adds
			}
		}
		slices.Sort(runs)
		if got := P95MS(warm, adds, float64(cold)/1000); got != runs[950] {
			t.Fatalf("%v ms, and the 950th of the runs took %v", got, runs[950])
		}
	})
}

// The ranking is a permutation of the sizes that hold the model; who is in time
// comes first, and nobody who is both cheaper and as much in time comes later.
func TestRankFunctionsInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, m := catalogue(rapid.Float64Range(1, 400).Draw(t, "ms"), 400)
		m.MemoryMB = rapid.SampledFrom([]int{100, 256, 257, 1769, 4000}).Draw(t, "model MB")
		shares := map[int]float64{}
		for _, mb := range c.Functions[0].MemoryMB {
			shares[mb] = rapid.SampledFrom([]float64{0, 0.04, 0.05, 0.3, 1}).Draw(t, "share")
		}
		bound := rapid.Float64Range(-10, 3000).Draw(t, "bound")
		got := RankFunctions(c, m, "x86_64", Wants{BoundMS: bound}, func(mb int) float64 { return shares[mb] })
		var held []int
		for _, h := range FunctionsThatHold(c, m, "x86_64") {
			if h.MemoryMB < m.MemoryMB {
				t.Fatalf("%d MB do not hold a model of %d", h.MemoryMB, m.MemoryMB)
			}
			held = append(held, h.MemoryMB)
		}
		var ranked []int
		for i, s := range got {
			ranked = append(ranked, s.MemoryMB)
			if s.InTime != (s.P95MS <= bound) {
				t.Fatalf("%+v is said to keep %v ms", s, bound)
			}
			if i == 0 {
				continue
			}
			before := got[i-1]
			if s.InTime && (!before.InTime || s.QueryUSD < before.QueryUSD) || !s.InTime && !before.InTime && s.P95MS < before.P95MS {
				t.Fatalf("%+v after %+v", s, before)
			}
		}
		slices.Sort(ranked)
		if !slices.Equal(ranked, held) {
			t.Fatalf("ranked %v of %v", ranked, held)
		}
	})
}

// A bound that one thread cannot keep, whatever the memory, is kept on two vCPUs by a model
// whose profile shows that two threads pay.
func TestTwoThreadsKeepATighterBound(t *testing.T) {
	c, m := catalogue(100, 400)
	c.Functions[0].MemoryMB = []int{1769, 3538}
	if s := RankFunctions(c, m, "x86_64", Wants{BoundMS: 300}, Warm); s[0].InTime {
		t.Fatalf("one thread keeps 300 ms: %+v", s)
	}
	two := m.Latency[0]
	two.Threads, two.MS = 2, two.MS.Scaled(0.6)
	m.Latency = append(m.Latency, two)
	s := RankFunctions(c, m, "x86_64", Wants{BoundMS: 300}, Warm)
	if !s[0].InTime || s[0].MemoryMB != 3538 {
		t.Errorf("two threads do not: %+v", s)
	}
	if s := RankFunctions(c, m, "x86_64", Wants{BoundMS: 1000}, Warm); s[0].MemoryMB != 1769 {
		t.Errorf("a loose bound is not kept the cheapest way: %+v", s)
	}
}

func TestFunctionsThatHold(t *testing.T) {
	c, m := catalogue(100, 110)
	for _, tt := range []struct {
		name    string
		modelMB int
		arch    string
		want    []int
	}{
		{"all", 256, "x86_64", []int{256, 512, 1024, 1769, 3008}},
		{"one is too small", 257, "x86_64", []int{512, 1024, 1769, 3008}},
		{"none is large enough", 4000, "x86_64", nil},
		{"an architecture without functions", 256, "arm64", nil},
		{"no functions", 256, "", nil},
	} {
		m.MemoryMB = tt.modelMB
		var got []int
		for _, h := range FunctionsThatHold(c, m, tt.arch) {
			got = append(got, h.MemoryMB)
			if h.MS.P50 <= 0 {
				t.Errorf("%s: no time on %d MB", tt.name, h.MemoryMB)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	m.MemoryMB, m.Latency = 256, []profile.Latency{}
	if got := FunctionsThatHold(c, m, "x86_64"); len(got) != 0 {
		t.Errorf("without a service time: %+v", got)
	}
}

// From no news on: one cold start among warm runs does not show, three in a row
// do, and the share comes to what it follows.
func TestColdShare(t *testing.T) {
	runs := func(cold ...bool) float64 {
		var c ColdShare
		for _, v := range cold {
			c.Saw(v)
		}
		return c.Value()
	}
	if v := runs(); v != Warm(0) {
		t.Errorf("a function that was never invoked has a share of %v, and plans go by %v", v, Warm(0))
	}
	if v := runs(true); v >= coldShows {
		t.Errorf("%v after the first, cold one", v)
	}
	if v := runs(true, true, true); v < coldShows {
		t.Errorf("%v after three cold ones", v)
	}
	var c ColdShare
	for i := range 1000 {
		c.Saw(i%4 == 0)
	}
	if math.Abs(c.Value()-0.25) > 0.02 {
		t.Errorf("%v of every fourth", c.Value())
	}
	rapid.Check(t, func(t *rapid.T) {
		var c ColdShare
		for _, cold := range rapid.SliceOfN(rapid.Bool(), 1, 60).Draw(t, "cold") {
			before := c.Value()
			c.Saw(cold)
			if v := c.Value(); v < 0 || v > 1 || cold && v < before || !cold && v > before {
				t.Fatalf("the share went from %v to %v", before, v)
			}
		}
	})
}

func TestLastResort(t *testing.T) {
	c, m := catalogue(100, 110)
	measured(m, 512, 310, 2000)
	measured(m, 1769, 110, 600)
	got, ok := LastResort(c, m, "x86_64", query.Need{}, 10_000, 15)
	if !ok || cmp.Or(got.WarmAfterMS, 1) != 10_000-15-310 || got.ColdAfterMS != 10_000-15-310-2000 || got.Size.MemoryMB != 512 {
		t.Errorf("%+v", got)
	}
	// One that optimizes latency is charged for, and waits for, the size on which it runs.
	need := query.Need{Optimize: query.Latency}
	first := RankFunctions(c, m, "x86_64", WantsOf(need, 9985), Warm)[0]
	if got, _ := LastResort(c, m, "x86_64", need, 10_000, 15); got.Size != first || first.MemoryMB != 1769 || got.WarmAfterMS != 10_000-15-110 {
		t.Errorf("optimize latency: %+v, and %+v runs", got, first)
	}
	if _, ok := LastResort(c, m, "arm64", query.Need{}, 10_000, 15); ok {
		t.Error("a last resort without functions")
	}
}

// A size that has not run is as cold as the least cold of those that have.
func TestSizesThatHaveNotRun(t *testing.T) {
	shares := ColdShares{}
	if x := shares.Of(512); x != Warm(512) {
		t.Errorf("before any run: %v", x)
	}
	for range 3 {
		shares.Saw(512, true)
	}
	if x := shares.Of(1024); x != shares.Of(512) || x < 0.05 {
		t.Errorf("after three cold starts of another size: %v", x)
	}
	shares.Saw(2048, false)
	if x := shares.Of(1024); x != 0 || shares.Of(512) < 0.05 {
		t.Errorf("after a warm run of a third size: %v", x)
	}
}
