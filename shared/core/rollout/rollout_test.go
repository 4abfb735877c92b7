package rollout

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/tally"
)

var rules = Rules{Confidence: 0.999, MinQueries: 20, ErrorPoints: 1, LatencyFactor: 1.5, AccuracyPoints: 2, CostFactor: 1.5}

// version is one that fails with a probability, and takes about a given time.
type version struct {
	faults, ms, usd, right float64
}

// sample draws n queries of a version, each with a vote.
func (v version) sample(n int, r *rand.Rand) Sample {
	var s Sample
	var ms []float64
	for range n {
		if r.Float64() < v.faults {
			s.Faults++
			continue
		}
		spread := math.Exp(0.3 * r.NormFloat64())
		s.Answered++
		ms = append(ms, v.ms*spread)
		s.CostUSD += v.usd * spread
		s.CostSquares += v.usd * spread * v.usd * spread
		if r.Float64() < v.right {
			s.Right++
		} else {
			s.Wrong++
		}
	}
	s.Compute = tally.NewHistogram(ms...)
	s.Latency = s.Compute
	return s
}

func (s Sample) and(o Sample) Sample {
	return Sample{Answered: s.Answered + o.Answered, Faults: s.Faults + o.Faults, Compute: s.Compute.Merge(o.Compute), Latency: s.Latency.Merge(o.Latency),
		CostUSD: s.CostUSD + o.CostUSD, CostSquares: s.CostSquares + o.CostSquares, Right: s.Right + o.Right, Wrong: s.Wrong + o.Wrong}
}

var usual = version{faults: 0.01, ms: 20, usd: 1e-6, right: 0.9}

func TestEachTestFindsItsOwn(t *testing.T) {
	with := func(change func(*version)) version {
		v := usual
		change(&v)
		return v
	}
	for _, tc := range []struct {
		name   string
		canary version
		n      int // queries of the canary, to 19 times as many of the other
		want   Test
	}{
		{"the same", usual, 500, ""},
		{"all runs fail, as few as open a breaker", with(func(v *version) { v.faults = 1 }), MinRuns, Errors},
		{"all runs fail, and fewer", with(func(v *version) { v.faults = 1 }), MinRuns - 1, ""},
		{"a tenth fails", with(func(v *version) { v.faults = 0.1 }), 500, Errors},
		{"three times slower", with(func(v *version) { v.ms *= 3 }), 20, Latency},
		{"three times slower, and few", with(func(v *version) { v.ms *= 3 }), 15, ""},
		{"slower by less than the factor", with(func(v *version) { v.ms *= 1.3 }), 500, ""},
		{"ten points less accurate", with(func(v *version) { v.right = 0.8 }), 500, Accuracy},
		{"more accurate, faster and cheaper", version{0, 10, 1e-7, 1}, 500, ""},
		{"three times as expensive", with(func(v *version) { v.usd *= 3 }), 20, Cost},
	} {
		r := rand.New(rand.NewPCG(1, 2))
		got := Judge(tc.canary.sample(tc.n, r), usual.sample(19*tc.n, r), rules)
		if got.Test != tc.want || got.RollBack != (tc.want != "") || got.RollBack == (got.Why == "") {
			t.Errorf("%s: %+v, want %q", tc.name, got, tc.want)
		}
	}
}

// A slow tail is found where the median is as it was.
func TestASlowTailIsFound(t *testing.T) {
	var quick, mixed []float64
	for i := range 1000 {
		quick = append(quick, 20+float64(i%10))
		mixed = append(mixed, 20+float64(i%10)+200*float64(i%4/3))
	}
	served := Sample{Answered: 1000, Compute: tally.NewHistogram(quick...)}
	canary := Sample{Answered: 1000, Compute: tally.NewHistogram(mixed...)}
	if got := Judge(canary, served, rules); got.Test != Latency {
		t.Errorf("%+v", got)
	}
}

// A version that is no worse goes back seldom, though it is judged every ten seconds
// for ten minutes.
func TestAVersionThatIsNoWorseStays(t *testing.T) {
	const plays, most = 300, 6
	back := map[Test]int{}
	for seed := range uint64(plays) {
		r := rand.New(rand.NewPCG(seed, 3))
		var canary, served Sample
		for range 60 {
			canary, served = canary.and(usual.sample(10, r)), served.and(usual.sample(190, r))
			if v := Judge(canary, served, rules); v.RollBack {
				back[v.Test]++
				break
			}
		}
	}
	n := 0
	for _, c := range back {
		n += c
	}
	t.Logf("%d of %d equal versions went back: %v", n, plays, back)
	if n > most {
		t.Errorf("%d of %d equal versions went back, want at most %d: %v", n, plays, most, back)
	}
}

// More failures of a canary never save it.
func TestMoreFailuresNeverSaveAVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 200).Draw(t, "runs")
		served := Sample{Answered: rapid.Int64Range(0, 2000).Draw(t, "answered"), Faults: rapid.Int64Range(0, 50).Draw(t, "faults")}
		before := false
		for k := range n + 1 {
			now := Judge(Sample{Answered: n - k, Faults: k}, served, rules).RollBack
			if before && !now {
				t.Fatalf("%d of %d failures roll back, and %d do not", k-1, n, k)
			}
			before = now
		}
	})
}

// The exact limits are those of Clopper and Pearson: a known value, and the probability
// that they stand for.
func TestLimitsAreExact(t *testing.T) {
	if got := lower(10, 10, 0.95); math.Abs(got-math.Pow(0.05, 0.1)) > 1e-9 {
		t.Errorf("of 10 in 10: %v", got)
	}
	if got := upper(0, 10, 0.95); math.Abs(got-(1-math.Pow(0.05, 0.1))) > 1e-9 {
		t.Errorf("of 0 in 10: %v", got)
	}
	if lower(0, 10, 0.95) != 0 || upper(10, 10, 0.95) != 1 {
		t.Error("the ends are not 0 and 1")
	}
}
