package procurement

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

var start = time.Unix(1_700_000_000, 0).UTC()

// view is a pool of workers of 10 queries a second, and a load by the second.
func viewOf(ready int, rate func(second int) float64, seconds int) Snapshot {
	s := Snapshot{CoveredTo: start, ServiceMS: 200, DeferMS: 9000, WorkerUSDPerHour: 0.09, FunctionUSD: 2.58 * 0.09 / 36000,
		Pool: Pool{Ready: ready, RunnersEach: 2, Used: 0.8, UsedLeast: 0.8}}
	for i := range seconds {
		s.Arrivals = append(s.Arrivals, Second{Strict: rate(i) / 2, Relaxed: rate(i) / 2})
	}
	return s
}

func constantly(rate float64) func(int) float64 { return func(int) float64 { return rate } }

func wanted(s Snapshot, set settings.Settings) Decision {
	d, _ := Run(hedged{}, start, s, set, State{})
	return d
}

// However long a worker boots, one that is used all the time is started, and
// those that are not used at all stop.
func TestTheHorizonDependsOnTheBoot(t *testing.T) {
	for _, boot := range []float64{0, 60, 100, 237, 300, 900} {
		set := settings.Defaults()
		set.VMBootSeconds, set.MaxOverflowConcurrency = boot, 10000
		if d := wanted(viewOf(2, constantly(60), 1800), set); d.Workers < 6 {
			t.Errorf("boot %v s: %d workers of 10 queries/s for 60", boot, d.Workers)
		}
		idle := viewOf(12, constantly(20), 1800)
		idle.Pool.Used = 20. / 120
		if d := wanted(idle, set); d.Workers > 4 {
			t.Errorf("boot %v s: %d workers of 10 queries/s stay for 20", boot, d.Workers)
		}
	}
}

// What no worker would cost is left out only where it is more than what is chosen costs, and
// where no record would keep it; and what a number costs does not depend on what was asked before.
func TestNoWorkerIsLeftOutWhereItCostsMore(t *testing.T) {
	random, none, leftOut := rand.New(rand.NewPCG(3, 4)), 0, 0
	for range 2000 {
		s := viewOf(0, constantly(1), 1)
		s.FunctionUSD *= 3 * random.Float64()
		s.UnaidedUSD, s.OverflowUSD = s.FunctionUSD*random.Float64(), s.FunctionUSD*random.Float64()
		if random.IntN(3) == 0 {
			s.SpotUSDPerHour = 0.04
		}
		set := settings.Defaults()
		set.MaxOverflowConcurrency = []int{0, 8, 100}[random.IntN(3)]
		c := costsOf(s, set, random.Float64(), spotOf(s, set, SpotMemory{}))
		series := [][]float64{make([]float64, 1+random.IntN(20))}
		for i := range series[0] {
			series[0][i] = random.ExpFloat64() * 60 * float64(random.IntN(2))
		}
		sc, have := scenario{load: loadOf(series, 1+random.IntN(10), random.IntN(2) == 0)}, random.IntN(12)
		got := c.choose(sc, have)
		usd := func(n int) float64 {
			return c.usdPerHour(n, loadOf(series, sc.load.step, sc.load.waits)) + c.changeUSD(n, have, 0)
		}
		if usd(0) < got.usdPerHour || usd(got.workers) != got.usdPerHour {
			t.Fatalf("%d workers for $%v an hour are chosen, which cost $%v, and none cost $%v: %+v", got.workers, got.usdPerHour, usd(got.workers), usd(0), sc.load)
		}
		counted := slices.ContainsFunc(got.candidates, func(c Candidate) bool { return c.Workers == 0 })
		if got.workers <= keepCandidates && !counted {
			t.Fatalf("%d workers are chosen, and a record lacks what none would cost", got.workers)
		}
		if got.workers == 0 {
			none++
		}
		if !counted {
			leftOut++
		}
	}
	if none < 100 || leftOut < 100 {
		t.Errorf("none was chosen %d times, and left out %d times", none, leftOut)
	}
}

func TestHorizon(t *testing.T) {
	for _, c := range []struct{ ratio, boot, want float64 }{
		{2.58, 100, 163.3}, {8.2, 100, 113.9}, {2.58, 300, 489.9}, {2, 10, leastHorizon}, {1.01, 100, longestHorizon}, {1, 100, longestHorizon}, {0.5, 0, longestHorizon},
	} {
		if got := horizon(c.ratio, c.boot); math.Abs(got-c.want) > 0.1 {
			t.Errorf("ratio %v, boot %v s: %v s, want %v", c.ratio, c.boot, got, c.want)
		}
	}
}

// The number of workers does not rise with the time that queries may wait, nor
// with cheaper functions or a cheaper way to them, and does not fall as the way
// gets more expensive.
func TestHedgedIsMonotone(t *testing.T) {
	wave := func(i int) float64 { return 60 + 30*math.Sin(float64(i)/40) }
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 10000
	last := -1
	for _, usd := range []float64{0, 1e-6, 3e-6, 1e-5, 1e-4} {
		s := viewOf(6, wave, 1800)
		s.OverflowUSD = usd
		if d := wanted(s, set); d.Workers < last {
			t.Errorf("a way for $%v: %d workers, for less %d", usd, d.Workers, last)
		} else {
			last = d.Workers
		}
	}
	last = math.MaxInt
	for _, ms := range []float64{500, 5000, 50000, 500000} {
		s := viewOf(6, wave, 1800)
		s.DeferMS, s.Pool.QueuedMS = ms, 2000
		if d := wanted(s, set); d.Workers > last {
			t.Errorf("a wait of %v ms: %d workers, of less %d", ms, d.Workers, last)
		} else {
			last = d.Workers
		}
	}
}

// While no worker is up the way to a function is cheaper: a load that pays for a worker
// only by the dearer way has none, and one that pays for many still gets them.
func TestWithoutWorkersTheWayIsCheaper(t *testing.T) {
	set := settings.Defaults()
	set.MaxOverflowConcurrency = 10000
	for _, tt := range []struct {
		name                string
		have, least, most   int
		perSecond, unaidedX float64 // of the way while workers are up
	}{
		{"a worker stays where functions cost as much", 1, 1, 1, 1.5, 1},
		{"one stops where it is cheaper", 1, 0, 0, 1.5, 0},
		{"none starts for little", 0, 0, 0, 1.5, 0},
		{"many start for much", 0, 6, 7, 60, 0},
		{"many stay for much", 6, 6, 7, 60, 0},
	} {
		s := viewOf(tt.have, constantly(tt.perSecond), 1800)
		s.OverflowUSD = s.FunctionUSD
		s.UnaidedUSD, s.Pool.Used = tt.unaidedX*s.OverflowUSD, min(1, tt.perSecond/10/float64(max(1, tt.have)))
		if d := wanted(s, set); d.Workers < tt.least || d.Workers > tt.most {
			t.Errorf("%s: %d workers: %s", tt.name, d.Workers, d.Reason)
		}
	}
}

// A worker that functions would replace for a little less is let go where the load has lasted
// for long, as what its next boot costs then spreads over that time; a burst or a load of a
// minute says nothing of that.
func TestAChangeSpreadsOverTheTimeOfTheLoad(t *testing.T) {
	set := settings.Defaults()
	c := costsOf(viewOf(1, constantly(3.6), 10), set, 0.5, spotMarket{}) // a worker pays from 3.9 queries/s on
	steady := func(minutes int) State {
		st := State{KnownUntil: start}
		for range minutes * 60 {
			st.History = append(st.History, 3.6)
		}
		return st
	}
	for _, tt := range []struct {
		name string
		sc   scenario
		want int
	}{
		{"half an hour", lately(1800, steady(30)).lasting(), 0},
		{"half an hour, and nobody says that it lasts", lately(1800, steady(30)), 1},
		{"a minute", lately(1800, steady(1)).lasting(), 1},
	} {
		if got := c.choose(tt.sc, 1); got.workers != tt.want {
			t.Errorf("%s: %d workers, want %d", tt.name, got.workers, tt.want)
		}
	}
	s := viewOf(1, constantly(3.6), 10)
	s.Pool.QueuedMS = 1e6
	sc := lately(1800, steady(30)).lasting()
	sc.burst(s, set, steady(30))
	if !sc.bursts || sc.lastsSeconds != 0 {
		t.Errorf("a burst lasts for %.0f s", sc.lastsSeconds)
	}
}

// What functions cannot take, workers must: with few places on slow functions there
// are workers for nearly all of the load.
func TestHedgedCountsThePlacesOnFunctions(t *testing.T) {
	burst := func(i int) float64 { // a tenth of the time three times the load
		if i%120 < 12 {
			return 120
		}
		return 40
	}
	many, few := settings.Defaults(), settings.Defaults()
	many.MaxOverflowConcurrency, few.MaxOverflowConcurrency = 10000, 2
	s := viewOf(4, burst, 1800)
	s.FunctionMS = 400 // 2 places: 5 queries/s
	a, b := wanted(s, many), wanted(s, few)
	if a.Workers > 8 || b.Workers < 11 {
		t.Errorf("%d workers with many places on functions, %d with few", a.Workers, b.Workers)
	}
}

// While no worker is up, queries that come by chance find all places taken long before functions
// are used in full: eight places of 200 ms are enough for 40 queries/s in the mean, and refuse a
// quarter of them.
func TestHedgedCountsQueriesThatFindNoPlace(t *testing.T) {
	few, many := settings.Defaults(), settings.Defaults()
	few.MaxOverflowConcurrency, many.MaxOverflowConcurrency = 8, 100
	s := viewOf(0, constantly(40), 600)
	s.FunctionMS, s.FunctionUSD, s.WorkerUSDPerHour = 200, 1e-6, 0.2 // functions are cheaper
	a, b := wanted(s, few), wanted(s, many)
	if a.Workers < 1 || b.Workers != 0 {
		t.Errorf("%d workers with 8 places, %d with 100", a.Workers, b.Workers)
	}
}

// Where one scenario's numbers would have cost more than another's, the other is
// followed, and the record says so; a small lead changes nothing.
func TestTheCheapestScenarioIsFollowed(t *testing.T) {
	for _, c := range []struct {
		usd      []float64
		followed int
		want     int
	}{
		{[]float64{1, 1, 1}, 0, 0}, {[]float64{1, 0.97, 1}, 0, 0}, {[]float64{1, 0.9, 0.8}, 0, 2}, {[]float64{0.97, 1, 1}, 1, 1}, {[]float64{0.5, 1, 1}, 1, 0}, {[]float64{0, 0, 0}, 1, 1},
	} {
		if got := cheapest(c.usd, c.followed); got != c.want {
			t.Errorf("%v, followed %d: %d, want %d", c.usd, c.followed, got, c.want)
		}
	}
}

// A fleet that swings costs more than one that stays, on a load that swings faster
// than workers boot.
func TestPlayedCountsBoots(t *testing.T) {
	set := settings.Defaults()
	c := costsOf(viewOf(1, constantly(1), 10), set, 0.5, spotMarket{})
	var rates [][]float64
	var stays, swings []int
	for i := range 180 {
		rate, swing := 20., 2
		if i/6%2 == 1 {
			rate, swing = 100, 10
		}
		rates, stays, swings = append(rates, slices.Repeat([]float64{rate}, 10)), append(stays, 10), append(swings, swing)
	}
	set.ScaleInWaitSeconds = 0
	if a, b := c.played(stays, rates, set), c.played(swings, rates, set); a >= b {
		t.Errorf("a constant fleet costs $%v, one that swings $%v", a, b)
	}
	want := 180 * 10 * 10 * 0.09 / 3600
	if a := c.played(stays, rates, set); math.Abs(a-want) > 1e-9 {
		t.Errorf("a constant fleet that takes all costs $%v, want $%v", a, want)
	}
}

// Relaxed queries that come in a peak wait for the workers that the time after it leaves free:
// what overflows falls with the time that they may wait, to nothing while the workers are
// enough in the mean. Strict ones overflow at once, and what still waits at the end is counted.
func TestRelaxedQueriesWaitForFreeWorkers(t *testing.T) {
	square := slices.Repeat(append(slices.Repeat([]float64{40}, 10), slices.Repeat([]float64{10}, 10)...), 10)
	three := func(int) int { return 3 } // 30 queries/s
	for _, tt := range []struct {
		name   string
		strict float64
		wait   int
		want   float64 // queries that overflow
	}{
		{"none may wait", 0.5, 0, 1000},
		{"for as long as the backlog of 100 queries lasts", 0.5, 10, 0},
		{"all are strict", 1, 10, 1000},
		{"most are strict", 0.9, 10, 600},
	} {
		c := costs{mu: 10, queryUSD: 1, queued: 1e9, strict: tt.strict, wait: tt.wait}
		if got := c.overflowUSD(square, 1, three); math.Abs(got-tt.want) > 1e-6 {
			t.Errorf("%s: %.1f queries overflow, want %.0f", tt.name, got, tt.want)
		}
	}
	c, last := costs{mu: 10, queryUSD: 1, queued: 1e9, strict: 0.5}, math.Inf(1)
	for c.wait = range 12 {
		got := c.overflowUSD(square, 1, three)
		if got > last {
			t.Errorf("waits of %d s: %.1f queries overflow, of 1 s less %.1f", c.wait, got, last)
		}
		last = got
	}
	if got := c.overflowUSD([]float64{50}, 10, three); math.Abs(got-200) > 1e-6 {
		t.Errorf("%.1f queries of 200 that are too many overflow", got)
	}
}

// Ticks that were missed asked for what was asked for last; another length of the
// tick, or a clock that went back, begins anew.
func TestPlansOverGaps(t *testing.T) {
	p := Plans{At: start, TickSeconds: 10, Workers: [][]int{{3, 4}, {1, 2}}, Followed: 1}
	next := p.before(start.Add(30*time.Second), 10, 2, 9)
	if got := next.Workers[1]; len(got) != 4 || got[3] != 2 || next.Followed != 1 || !next.At.Equal(start.Add(20*time.Second)) {
		t.Errorf("%+v", next)
	}
	if len(p.Workers[1]) != 2 {
		t.Error("the plans before were changed")
	}
	for _, anew := range []Plans{p.before(start.Add(5*time.Second), 5, 2, 9), p.before(start.Add(-time.Minute), 10, 2, 9), p.before(start.Add(10*time.Second), 10, 3, 9)} {
		if anew.last(0) != 9 || len(anew.Workers[0]) != 1 || anew.Followed != 0 {
			t.Errorf("%+v", anew)
		}
	}
}

// The arrivals of a tick are those of its own seconds, as far as metrics show them.
func TestRatesOfTicks(t *testing.T) {
	st := State{KnownUntil: start.Add(-60 * time.Second)}
	for i := range 100 {
		st.History = append(st.History, float64(i/10))
	}
	p := Plans{At: start.Add(-10 * time.Second), TickSeconds: 10, Workers: [][]int{make([]int, 17)}}
	rates := p.rates(st)
	// The first tick is 170 s ago, ten seconds before what is remembered; the last
	// known one ends 60 s ago.
	if len(rates) != 11 || rates[0] != nil || len(rates[1]) != 10 || rates[1][9] != 0 || rates[10][0] != 9 {
		t.Errorf("%v", rates)
	}
}

// A query on its way through the overflow queue holds its place on the functions: they take
// fewer than while no worker is up, when their callers' intake invokes them.
func TestTheOverflowQueueTakesOfTheFunctions(t *testing.T) {
	set := settings.Defaults()
	set.MaxOverflowConcurrency, set.PathMS, set.OverflowPathMS = 10, 50, 150
	s := viewOf(1, constantly(10), 10)
	s.FunctionMS = 100
	c := costsOf(s, set, 0.5, spotMarket{})
	if math.Abs(c.queued-50) > 1e-9 || math.Abs(c.functions-100) > 1e-9 {
		t.Errorf("functions take %.1f queries/s with workers and %.1f alone, want 50 and 100", c.queued, c.functions)
	}
	if got, want := c.beyondUSD(60, 1), 50*c.queryUSD+10*c.lostUSD; math.Abs(got-want) > 1e-12 {
		t.Errorf("60 queries/s beyond the workers cost %g a second, want %g: ten of them are late", got, want)
	}
	set.OverflowPath = "direct"
	if c := costsOf(s, set, 0.5, spotMarket{}); math.Abs(c.queued-100) > 1e-9 {
		t.Errorf("functions that are invoked take %.1f queries/s, want 100", c.queued)
	}
}

// The load is what it is now for as long as its means differ by chance or slowly; a step ends that.
func TestForHowLongTheLoadIsUnchanged(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	of := func(rates ...float64) State { // each for three minutes
		st := State{}
		for _, r := range rates {
			for range shortSeconds {
				st.History = append(st.History, arrivals.PoissonCount(r, draw))
			}
		}
		return st
	}
	for _, tt := range []struct {
		name  string
		rates []float64
		want  int // seconds
	}{
		{"nothing is known", nil, 180},
		{"constant", []float64{5, 5, 5, 5, 5, 5}, 1080},
		{"no queries", []float64{0, 0, 0}, 540},
		{"a step two times ago", []float64{5, 5, 5, 100, 100}, 360},
		{"a step now", []float64{5, 5, 5, 100}, 180},
		{"a slow drift of a busy load", []float64{1000, 1010, 1020, 1030}, 720},
		{"longer than is compared", slices.Repeat([]float64{5}, 20), 1800},
	} {
		if got := of(tt.rates...).unchangedSeconds(1800); got != tt.want {
			t.Errorf("%s: %d s, want %d", tt.name, got, tt.want)
		}
	}
}
