package simulate_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// asHome is a run with a crowd between the fifth and the fifteenth minute.
func asDeployed(t *testing.T, deployed *simulate.AsDeployed, change func(*settings.Settings)) []simulate.Moment {
	t.Helper()
	trace := arrivals.Trace{Step: time.Second, Counts: make([]float64, 1800)}
	for i := range trace.Counts {
		trace.Counts[i] = 4
		if i >= 300 && i < 900 {
			trace.Counts[i] = 40
		}
	}
	scheme, err := procurement.Get("reactive")
	if err != nil {
		t.Fatal(err)
	}
	set := settings.Defaults()
	change(&set)
	var seen []simulate.Moment
	_, err = simulate.Run(simulate.Config{
		Trace: trace, Scheme: scheme, Settings: set, Strict: 0.5, StrictMS: 1000, RelaxMS: 10000, MetricDelay: 3 * time.Second,
		Workers: 1, Seed: 1, AsDeployed: deployed, Watch: func(m simulate.Moment) { seen = append(seen, m) },
		Pools: []simulate.Pool{{Name: "p", Runners: 2, USDPerHour: 0.1, Share: 1, Models: []simulate.Model{
			{Name: "m", ServiceMS: 250, FunctionMS: 250, USD: 1e-5, ColdUSD: 1e-5, MemoryMB: 1769}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// ready is how many workers were at each tick.
func ready(ms []simulate.Moment) []int {
	out := make([]int, len(ms))
	for i, m := range ms {
		out[i] = m.Snapshot.Pool.Ready
	}
	return out
}

func TestABackendBootsAsMeasured(t *testing.T) {
	quick := func(s *settings.Settings) { s.VMBootSeconds = 15 } // between ticks
	first := func(deployed *simulate.AsDeployed) time.Duration {
		for _, m := range asDeployed(t, deployed, quick) {
			if m.Snapshot.Pool.Ready > 1 {
				return m.At
			}
		}
		return 0
	}
	as, slow := first(&simulate.AsDeployed{}), first(&simulate.AsDeployed{BootSeconds: 55})
	if slow-as != 40*time.Second {
		t.Errorf("the second worker came at %v and, when boots take 40 s longer, at %v", as, slow)
	}
}

// The bounds outside of the scheme hold in deployed, and in no run by definition.
func TestABackendIsGuarded(t *testing.T) {
	guarded := func(s *settings.Settings) { s.MaxStep, s.MaxWorkers = 1, 4 }
	most := func(deployed *simulate.AsDeployed) (step, workers int) {
		before := 1
		for _, m := range asDeployed(t, deployed, guarded) {
			have := m.Snapshot.Pool.Ready + m.Snapshot.Pool.Booting
			step, workers, before = max(step, have-before), max(workers, have), have
		}
		return step, workers
	}
	if step, workers := most(&simulate.AsDeployed{}); step != 1 || workers != 4 {
		t.Errorf("as deployed the fleet grew by %d at once, to %d", step, workers)
	}
	if step, workers := most(nil); step == 1 || workers <= 4 {
		t.Errorf("by definition it grew by %d at once, to %d", step, workers)
	}
	if _, workers := most(&simulate.AsDeployed{GroupMax: 3}); workers != 3 {
		t.Errorf("a group of 3 grew to %d", workers)
	}
}

// A backend's ticks fall between the seconds by which arrivals are counted.
func TestABackendsTicksFallBetweenTheSeconds(t *testing.T) {
	for _, c := range []struct {
		deployed *simulate.AsDeployed
		age      time.Duration // of the newest arrivals that are known
	}{{nil, 3 * time.Second}, {&simulate.AsDeployed{}, 3500 * time.Millisecond}} {
		for _, m := range asDeployed(t, c.deployed, func(*settings.Settings) {}) {
			if age := time.Unix(0, 0).Add(m.At).Sub(m.Snapshot.CoveredTo); age != c.age {
				t.Fatalf("as deployed %v: at %v the arrivals are %v old, want %v", c.deployed != nil, m.At, age, c.age)
			}
		}
	}
}

// A backend's workers admit what they can answer in time at its p99. Twice the
// load that three workers can bear is half refused and goes to functions; what
// they admit is in time, although runs vary. Where nothing may overflow all of
// it waits, and is late.
func TestABackendsWorkersAdmitWhatTheyCanAnswer(t *testing.T) {
	trace := arrivals.Trace{Step: time.Second, Counts: make([]float64, 240)}
	for i := range trace.Counts {
		trace.Counts[i] = 60
	}
	for _, tc := range []struct {
		scheme             string
		overflow, missedBy float64 // shares of the strict queries: at least and at most
	}{{"mixed", 0.4, 0.01}, {"reactive", 0, 1}} {
		set := settings.Defaults()
		set.MaxWorkers, set.MaxOverflowConcurrency = 3, 100
		r := run(t, simulate.Config{
			Trace: trace, Scheme: must(procurement.Get(tc.scheme)), Settings: set, Strict: 1, StrictMS: 1000, RelaxMS: 10000, MetricDelay: 3 * time.Second,
			Workers: 3, Warmup: time.Minute, From: time.Minute, Seed: 1, AsDeployed: &simulate.AsDeployed{},
			Pools: []simulate.Pool{{Name: "p", Runners: 1, USDPerHour: 0.1, Share: 1, Models: []simulate.Model{
				{Name: "m", ServiceMS: 100, P99MS: 150, FunctionMS: 150, USD: 1e-5, ColdUSD: 1e-5, MemoryMB: 1769}}}},
		})
		overflow, missed := float64(r.Strict.Overflow)/float64(r.Strict.Arrived), r.Strict.Ratio()
		t.Logf("%s: %.3f overflow, %.4f missed, %d bounced", tc.scheme, overflow, missed, r.Bounced)
		if overflow < tc.overflow || overflow > tc.overflow+0.2 || missed > tc.missedBy {
			t.Errorf("%s: %.3f overflow, %.4f missed, want from %v and up to %v", tc.scheme, overflow, missed, tc.overflow, tc.missedBy)
		}
	}
}

// A backend's workers are idle by looks at ticks: a worker that only bursts
// between two looks touch closes, which by definition never was idle for long.
func TestABackendReportsIdleWorkersByPolls(t *testing.T) {
	idle := func(s *settings.Settings) { s.IdleSeconds = 30 }
	deployed, defined := ready(asDeployed(t, &simulate.AsDeployed{}, idle)), ready(asDeployed(t, nil, idle))
	last := len(deployed) - 1
	if deployed[last] >= defined[last] || deployed[last] < 1 {
		t.Errorf("%d workers at the end as deployed, %d by definition", deployed[last], defined[last])
	}
}

// As deployed, what waits for a worker until only a function keeps its bound does
// keep it, also where workers are slower than functions: the hand-over goes by both
// times, and a full worker checks for it between the ends of its runs.
func TestRelaxedQueriesKeepTheirBoundsAsDeployed(t *testing.T) {
	for _, functionMS := range []float64{100, 600} {
		c := config(must(procurement.Get("hedged")), generated(t, "mmpp", 12))
		c.AsDeployed, c.ColdStarts, c.Settings.MaxOverflowConcurrency = &simulate.AsDeployed{}, false, 10000
		c.Pools[0].Models[1].FunctionMS = functionMS
		if r := run(t, c); r.Relaxed.Ratio() > 0.005 || r.Relaxed.Overflow == 0 {
			t.Errorf("functions of %v ms: %.2f %% of %d relaxed queries missed their bound, %d overflowed", functionMS, 100*r.Relaxed.Ratio(), r.Relaxed.Arrived, r.Relaxed.Overflow)
		}
	}
}

// The next workers are the warm instances, which serve sooner, until they are used
// up; their places are filled again after a boot. Disks and preparations are billed.
func TestWarmInstancesComeFirst(t *testing.T) {
	cold := func(s *settings.Settings) { s.VMBootSeconds, s.WarmBootSeconds = 95, 35 }
	times := func(warm int) (at []time.Duration) { // of the second worker, the third and so on
		have := 1
		for _, m := range asDeployed(t, &simulate.AsDeployed{Warm: warm}, cold) {
			for ; have < m.Snapshot.Pool.Ready; have++ {
				at = append(at, m.At)
			}
		}
		return at
	}
	none, two := times(0), times(2)
	if len(none) < 3 || len(two) < 3 {
		t.Fatalf("workers come at %v, and with warm instances at %v", none, two)
	}
	if none[0]-two[0] != time.Minute || none[1]-two[1] != time.Minute || none[2] != two[2] {
		t.Errorf("workers come at %v, and with two warm instances at %v", none, two)
	}
}

// An hour without queries costs what the disks of the warm instances do; a launch out
// of the warm pool costs the preparation of the next one, for a boot.
func TestTheBillHasTheWarmInstances(t *testing.T) {
	bill := func(workers, warm int, settled func(*settings.Settings)) float64 {
		set := settings.Defaults()
		set.VMBootSeconds = 90
		settled(&set)
		r := run(t, simulate.Config{
			Trace: arrivals.Trace{Step: time.Second, Counts: make([]float64, 3600)}, Scheme: must(procurement.Get("reactive")), Settings: set,
			Strict: 0.5, StrictMS: 1000, RelaxMS: 10000, Workers: workers, Seed: 1, MinimumSeconds: 60,
			AsDeployed: &simulate.AsDeployed{Warm: warm, WarmUSDPerHour: 0.001},
			Pools: []simulate.Pool{{Name: "p", Runners: 1, USDPerHour: 0.1, Share: 1, Models: []simulate.Model{
				{Name: "m", ServiceMS: 100, FunctionMS: 150, USD: 1e-5, ColdUSD: 1e-5, MemoryMB: 1769}}}},
		})
		return r.Bill.Workers
	}
	if got := bill(0, 3, func(*settings.Settings) {}); math.Abs(got-0.003) > 1e-9 {
		t.Errorf("an hour of three warm instances takes $%v", got)
	}
	one := func(s *settings.Settings) { s.MinWorkers = 1 }
	if got, want := bill(0, 1, one)-bill(0, 0, one), 0.001+0.1*90/3600; math.Abs(got-want) > 1e-9 {
		t.Errorf("a launch out of the warm pool takes $%v more, want $%v", got, want)
	}
}

// While no worker is ready a relaxed query is answered by a function within its request, as
// intake places it, not after a 202. So it is where the worker that has it would end it after
// its bound; where it would only make others late it waits for another one, after a 202.
func TestARelaxedQueryThatNoWorkerEndsInTimeOverflowsAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name      string
		perSecond float64
		workers   int
		overflow  float64 // the least share of the machinery
	}{{"no worker", 1, 0, 1}, {"a full worker", 30, 1, 0.1}} {
		c := config(must(procurement.Get("mixed")), arrivals.Trace{Step: time.Second, Counts: make([]float64, 120)})
		for i := range c.Trace.Counts {
			c.Trace.Counts[i] = tc.perSecond
		}
		c.AsDeployed, c.Strict, c.Workers, c.ColdStarts = &simulate.AsDeployed{}, 0, tc.workers, false
		c.Settings.MaxOverflowConcurrency, c.Settings.MaxWorkers = 1000, tc.workers
		c.From, c.Warmup, c.MetricDelay = 30*time.Second, 30*time.Second, 3*time.Second // a tick has set the rules
		c.Machinery.UnaidedUSD = 3e-6
		if b := run(t, c).Bill; b.Paths.Overflow < tc.overflow*b.Machinery {
			t.Errorf("%s: machinery of %+v", tc.name, b.Paths)
		}
	}
}

// A strict query for which the queue's way to a function is too long, and the function is
// not, is in time: the worker that has it invokes the function. It pays for that way.
func TestAQueryForWhichTheQueueIsTooSlowIsInvoked(t *testing.T) {
	c := config(must(procurement.Get("mixed")), arrivals.Trace{Step: time.Second, Counts: slices.Repeat([]float64{30}, 120)})
	c.AsDeployed, c.Strict, c.Workers, c.ColdStarts = &simulate.AsDeployed{}, 1, 1, false
	c.Settings.MaxOverflowConcurrency, c.Settings.MaxWorkers = 1000, 1
	c.Settings.PathMS, c.Settings.OverflowPathMS = 80, 150
	c.From, c.Warmup, c.MetricDelay = 30*time.Second, 30*time.Second, 3*time.Second // a tick has set the rules
	c.Machinery = pricing.PerQuery{InvokedUSD: 1e-6}
	for i := range c.Pools[0].Models {
		c.Pools[0].Models[i].FunctionMS = 900
	}
	r := run(t, c)
	if r.Strict.Overflow == 0 || r.Strict.Missed > 0 {
		t.Errorf("%d strict queries overflowed, %d missed their bound", r.Strict.Overflow, r.Strict.Missed)
	}
	if want := 1e-6 * float64(r.Strict.Overflow); math.Abs(r.Bill.Paths.Overflow-want) > 1e-9 {
		t.Errorf("their way takes $%v, want $%v", r.Bill.Paths.Overflow, want)
	}
}
