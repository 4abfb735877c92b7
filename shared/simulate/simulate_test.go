package simulate_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// pool is a pool like a c5.large with two models of different length.
func pool() simulate.Pool {
	return simulate.Pool{
		Name: "pool", InstanceType: "c5.large", Runners: 2, USDPerHour: 0.085, Share: 1,
		Models: []simulate.Model{
			{Name: "short", ServiceMS: 60, FunctionMS: 90, ColdMS: 3000, USD: 5e-6, ColdUSD: 9e-5},
			{Name: "long", ServiceMS: 400, FunctionMS: 600, ColdMS: 6000, USD: 3e-5, ColdUSD: 2e-4},
		},
	}
}

func config(scheme procurement.Scheme, t arrivals.Trace) simulate.Config {
	return simulate.Config{
		Trace: t, Pools: []simulate.Pool{pool()}, Strict: 0.5, StrictMS: 1000, RelaxMS: 10000,
		Scheme: scheme, Settings: settings.Defaults(), MetricDelay: time.Minute, Workers: -1,
		MinimumSeconds: 60, ColdStarts: true, KeepAliveSeconds: 600, Machinery: pricing.PerQuery{DirectUSD: 1e-6, OverflowUSD: 3e-6, AsyncUSD: 4e-6, HandoverUSD: 2e-6}, Seed: 1,
	}
}

func generated(t testing.TB, kind string, minutes int) arrivals.Trace {
	t.Helper()
	tr, err := arrivals.Generate(arrivals.Shape{
		Kind: kind, Rate: 40, Peak: 120, Period: 90 * time.Second, At: time.Duration(minutes) * time.Minute / 3,
	}, time.Duration(minutes)*time.Minute, rand.New(rand.NewPCG(5, 5)))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func run(t testing.TB, c simulate.Config) simulate.Result {
	t.Helper()
	r, err := simulate.Run(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// failer is a test, or one run of a property.
type failer interface {
	Errorf(format string, args ...any)
}

// Arrived = succeeded + expired + in the system, class by class; what is
// missed did arrive; the hours add up to the whole.
func checkInvariants(t failer, r simulate.Result) {
	left := int64(0)
	for _, k := range []simulate.Class{r.Strict, r.Relaxed} {
		left += k.Arrived - k.Succeeded - k.Expired - k.Rejected
		if k.Missed > k.Arrived || k.Overflow > k.Succeeded || k.Expired > k.Missed {
			t.Errorf("counts cannot be: %+v", k)
		}
	}
	if left != r.InSystem || left < 0 {
		t.Errorf("%d queries are unaccounted for, %d in the system", left, r.InSystem)
	}
	var hours simulate.Bill
	for _, h := range r.Hours {
		hours.Workers += h.Bill.Workers
		hours.Functions += h.Bill.Functions
		hours.Machinery += h.Bill.Machinery
	}
	if p := r.Bill.Paths; math.Abs(p.Direct+p.Overflow+p.Asynchronous-r.Bill.Machinery) > 1e-9 {
		t.Errorf("the machinery is $%v, by path %+v", r.Bill.Machinery, p)
	}
	if math.Abs(hours.Total()-r.Bill.Total()) > 1e-9 {
		t.Errorf("the hours cost %v, the whole %v", hours.Total(), r.Bill.Total())
	}
}

// checkBound: a run that answers all of its queries costs no less than the bound.
func checkBound(t failer, c simulate.Config, r simulate.Result) {
	const rounding = 1e-9 // of sums of as many numbers as there are queries
	answered := r.InSystem == 0 && r.Strict.Expired+r.Relaxed.Expired == 0
	if bound := simulate.BoundUSD(&c, r); answered && r.Bill.Total() < bound*(1-rounding) {
		t.Errorf("$%v is below the bound of $%v", r.Bill.Total(), bound)
	}
}

func TestEverySchemeKeepsTheInvariants(t *testing.T) {
	for _, kind := range arrivals.Kinds() {
		tr := generated(t, kind, 15)
		for _, s := range procurement.All() {
			c := config(s, tr)
			r := run(t, c)
			checkInvariants(t, r)
			checkBound(t, c, r)
			if r.Arrived() != int64(tr.Total()) {
				t.Errorf("%s on %s: %d arrived of %v", s.Name(), kind, r.Arrived(), tr.Total())
			}
		}
	}
}

// The whole of the configuration may be odd; the invariants hold.
func TestInvariantsHoldForAnyConfiguration(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		counts := rapid.SliceOfN(rapid.Float64Range(0, 60), 30, 240).Draw(rt, "counts")
		c := config(rapid.SampledFrom(procurement.All()).Draw(rt, "scheme"), arrivals.Trace{Step: time.Second, Counts: counts})
		c.Pools[0].Runners = rapid.IntRange(1, 8).Draw(rt, "runners")
		c.Pools[0].Models[0].BatchMax = rapid.IntRange(0, 8).Draw(rt, "batch")
		c.Pools[0].Models[0].BatchMS = 40
		c.Pools[0].Models[1].P99MS = rapid.Float64Range(0, 900).Draw(rt, "p99")
		c.Strict = rapid.Float64Range(0, 1).Draw(rt, "strict")
		c.Workers = rapid.IntRange(0, 6).Draw(rt, "workers")
		c.Settings.VMBootSeconds = float64(rapid.IntRange(0, 120).Draw(rt, "boot"))
		c.Spot = simulate.Spot{Share: rapid.Float64Range(0, 1).Draw(rt, "spot"), PriceFactor: 0.3, InterruptionsPerHour: rapid.Float64Range(0, 200).Draw(rt, "interruptions")}
		c.ColdStarts = rapid.Bool().Draw(rt, "cold")
		c.NoDefer = rapid.Bool().Draw(rt, "nodefer")
		c.MetricDelay = time.Duration(rapid.IntRange(0, 120).Draw(rt, "delay")) * time.Second
		c.Seed = rapid.Uint64().Draw(rt, "seed")
		if rapid.Bool().Draw(rt, "as deployed") {
			c.AsDeployed = &simulate.AsDeployed{BootSeconds: 20, Warm: rapid.IntRange(0, 3).Draw(rt, "warm"), WarmUSDPerHour: 0.001}
		}
		if rapid.Bool().Draw(rt, "two pools") {
			c.Pools = append(c.Pools, pool())
		}
		r, err := simulate.Run(c)
		if err != nil {
			rt.Fatal(err)
		}
		checkInvariants(rt, r)
		checkBound(rt, c, r)
		if r.InSystem != 0 {
			rt.Errorf("%d queries never ended", r.InSystem)
		}
	})
}

// The same seed gives the same bytes, however many processors there are.
func TestSameSeedSameBytes(t *testing.T) {
	c := config(must(procurement.Get("hedged")), generated(t, "mmpp", 20))
	first, _ := json.Marshal(run(t, c))
	for _, procs := range []int{1, 2, 4} {
		before := runtime.GOMAXPROCS(procs)
		again, _ := json.Marshal(run(t, c))
		runtime.GOMAXPROCS(before)
		if string(again) != string(first) {
			t.Fatalf("GOMAXPROCS %d: other bytes", procs)
		}
	}
	c.Seed++
	if other, _ := json.Marshal(run(t, c)); string(other) == string(first) {
		t.Error("another seed gave the same run")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Another scheme, another boot time or another price meets the same queries:
// one concern does not draw from another's stream.
func TestConcernsHaveTheirOwnStreams(t *testing.T) {
	tr := generated(t, "mmpp", 10)
	want := run(t, config(must(procurement.Get("mixed")), tr))
	c := config(must(procurement.Get("reactive")), tr)
	c.Spot = simulate.Spot{Share: 0.5, PriceFactor: 0.3, InterruptionsPerHour: 5}
	c.Pools[0].Models[1].P99MS = 800
	if got := run(t, c); got.Strict.Arrived != want.Strict.Arrived || got.Relaxed.Arrived != want.Relaxed.Arrived {
		t.Errorf("%d strict queries, and %d under another scheme", want.Strict.Arrived, got.Strict.Arrived)
	}
}

// Doubling every price doubles the bill and changes nothing else.
func TestDoublePricesDoubleTheCost(t *testing.T) {
	for _, s := range procurement.All() {
		c := config(s, generated(t, "mmpp", 15))
		once := run(t, c)
		d := config(s, c.Trace)
		m := c.Machinery
		d.Machinery = pricing.PerQuery{DirectUSD: 2 * m.DirectUSD, OverflowUSD: 2 * m.OverflowUSD, AsyncUSD: 2 * m.AsyncUSD, HandoverUSD: 2 * m.HandoverUSD}
		d.Pools[0].USDPerHour *= 2
		for i := range d.Pools[0].Models {
			d.Pools[0].Models[i].USD *= 2
			d.Pools[0].Models[i].ColdUSD *= 2
		}
		twice := run(t, d)
		if math.Abs(twice.Bill.Total()-2*once.Bill.Total()) > 1e-9 || twice.Strict != once.Strict || twice.Relaxed != once.Relaxed {
			t.Errorf("%s: $%v, and $%v at double prices", s.Name(), once.Bill.Total(), twice.Bill.Total())
		}
	}
}

// still is a scheme that never acts.
type still struct{ workers int }

func (still) Name() string { return "still" }

func (still) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.Never, procurement.Never
}

func (s still) Decide(time.Time, procurement.Snapshot, settings.Settings, procurement.State) (procurement.Decision, procurement.State) {
	return procurement.Decision{Workers: s.workers, Reason: "still"}, procurement.State{}
}

// A scheme that never acts changes nothing: the tick's length and the metrics'
// age do not matter, and the bill is the fleet's for the time.
func TestASchemeThatNeverActsChangesNothing(t *testing.T) {
	c := config(still{8}, generated(t, "mmpp", 15))
	c.Workers = 8
	want := run(t, c)
	c.Settings.TickSeconds, c.MetricDelay = 1, 0
	got := run(t, c)
	if got.Strict != want.Strict || got.Relaxed != want.Relaxed || math.Abs(got.Bill.Total()-want.Bill.Total()) > 1e-9 {
		t.Errorf("%+v, with another tick %+v", want, got)
	}
	bill, tail := 8*0.085*0.25, 8*0.085/60 // what is left at the end takes less than a minute
	if want.Bill.Workers < bill-1e-9 || want.Bill.Workers > bill+tail {
		t.Errorf("eight workers for a quarter of an hour cost $%v, want $%v and at most $%v more", want.Bill.Workers, bill, tail)
	}
	if want.Bill.Functions != 0 {
		t.Error("functions were paid though nothing may overflow")
	}
}

// More workers that never act miss no more.
func TestMoreWorkersMissNoMore(t *testing.T) {
	last := int64(math.MaxInt64)
	for n := 2; n <= 14; n += 3 {
		c := config(still{n}, generated(t, "mmpp", 10))
		c.Workers = n
		r := run(t, c)
		if missed := r.Strict.Missed + r.Relaxed.Missed; missed > last {
			t.Errorf("%d workers miss %d, fewer missed %d", n, missed, last)
		} else {
			last = missed
		}
	}
}

// Time moves forward only, a decision sees nothing from after the metrics'
// age, and no second is shown twice or left out.
func TestCausality(t *testing.T) {
	c := config(must(procurement.Get("hedged")), generated(t, "diurnal", 15))
	shown, last := 0, time.Duration(-1)
	c.Watch = func(m simulate.Moment) {
		if m.At <= last {
			t.Fatalf("tick at %s after %s", m.At, last)
		}
		last = m.At
		covered := m.Snapshot.CoveredTo.Sub(time.Unix(0, 0))
		if covered > max(0, m.At-time.Minute) {
			t.Fatalf("at %s arrivals up to %s are known", m.At, covered)
		}
		shown += len(m.Snapshot.Arrivals)
		if time.Duration(shown)*time.Second != covered {
			t.Fatalf("%d seconds were shown up to %s", shown, covered)
		}
	}
	run(t, c)
}

func TestWarmupIsNeitherCountedNorBilled(t *testing.T) {
	tr := generated(t, "constant", 30)
	c := config(must(procurement.Get("mixed")), tr)
	c.From, c.For, c.Warmup = 20*time.Minute, 5*time.Minute, 10*time.Minute
	r := run(t, c)
	w := must(tr.Window(c.From, c.For))
	if r.Arrived() != int64(w.Total()) || r.Seconds != 300 {
		t.Errorf("%d counted in %v s, want %v in 300", r.Arrived(), r.Seconds, w.Total())
	}
	if most := 30 * 0.085 / 12; r.Bill.Workers > most {
		t.Errorf("five minutes cost $%v of workers", r.Bill.Workers)
	}
}

// The memory of a run does not grow with the trace: a trace of ten times the
// length takes no more than its own counts.
func TestMemoryDoesNotGrowWithTheTrace(t *testing.T) {
	heap := func(minutes int) uint64 {
		c := config(must(procurement.Get("mixed")), generated(t, "constant", minutes))
		var most uint64
		n := 0
		c.Watch = func(simulate.Moment) {
			if n++; n%60 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		run(t, c)
		return most
	}
	short, long := heap(20), heap(200)
	if counts := uint64(180 * 60 * 8); long > short+counts+512<<10 {
		t.Errorf("%d bytes over 20 minutes, %d over 200", short, long)
	}
}

// BenchmarkRun plays WITS at half its rate, where the folder PARAGON_TRACES has
// it, and a made-up hour otherwise.
func BenchmarkRun(b *testing.B) {
	c := config(must(procurement.Get("mixed")), generated(b, "mmpp", 60))
	if f, err := os.Open(filepath.Join(os.Getenv("PARAGON_TRACES"), "wits.csv")); err == nil {
		defer f.Close()
		c.Trace = must(arrivals.ReadTrace(f)).Scaled(0.5)
	}
	queries := int64(0)
	for b.Loop() {
		queries += run(b, c).Arrived()
	}
	b.ReportMetric(float64(queries)/b.Elapsed().Seconds(), "queries/s")
}
