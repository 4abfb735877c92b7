package decision_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// world is a stage in which anything may happen between two ticks.
type world struct {
	*rand.Rand
	at             time.Time
	set            settings.Settings
	state          decision.State
	group          decision.Group
	ready, booting int
	spent, rate    float64
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 1)), at: time.Unix(1_700_000_000, 0).UTC(), set: settings.Defaults(), rate: 40}
	w.set.TickSeconds = float64(1 + w.IntN(3))
	w.group.Max, w.group.Warm = 50, w.IntN(4)
	w.tune()
	return w
}

// one is true once in n.
func (w *world) one(n int) bool { return w.IntN(n) == 0 }

// tune changes settings, to the ends of their ranges too.
func (w *world) tune() {
	names := procurement.Names()
	w.set.Scheme = names[w.IntN(len(names))]
	w.set.MinWorkers, w.set.MaxWorkers, w.set.MaxStep = w.IntN(5), w.IntN(60), 1+w.IntN(20)
	w.set.HourlyBudgetUSD = []float64{0, 0.01, 1, 5, 100}[w.IntN(5)]
	w.set.HoldLimitSeconds, w.set.ScaleInWaitSeconds = float64(w.IntN(100)), float64(w.IntN(60))
	w.set.WatchSeconds, w.set.IdleSeconds = float64(w.IntN(60)), float64(w.IntN(60))
	w.set.PeakWindowSeconds, w.set.HedgeWindowSeconds = 60, 60
}

// broken values, and good ones.
func (w *world) value(good float64) float64 {
	if !w.one(400) {
		return good
	}
	return []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, -1e308, 0, 1e308}[w.IntN(7)]
}

func (w *world) turn() decision.Case {
	w.at = w.at.Add(time.Duration(w.set.TickSeconds * float64(time.Second)))
	for _, e := range []struct {
		n  int
		do func()
	}{
		{100, w.tune},
		{300, func() { w.at = w.at.Add(time.Duration(w.IntN(4000)-60) * time.Second) }},
		{50, func() { w.rate = w.Float64() * 400 }},
		{80, func() { w.group.Max, w.group.Min = w.IntN(60), w.IntN(3) }},
		{20, func() { w.ready = w.IntN(40) }},
		{5, func() { w.ready, w.booting = w.ready+w.booting, 0 }},
		{200, func() { w.group.Desired = w.IntN(100) }},
	} {
		if w.one(e.n) {
			e.do()
		}
	}
	if w.spent += w.Float64() / 100; w.one(360) {
		w.spent = 0
	}
	return w.observe()
}

func (w *world) observe() decision.Case {
	s := procurement.Snapshot{
		CoveredTo: w.at.Add(-3 * time.Second), ServiceMS: w.value(100), DeferMS: w.value(9000),
		WorkerUSDPerHour: w.value(0.085), FunctionUSD: w.value(2e-5), Pool: procurement.Pool{
			Ready: w.ready, Booting: w.booting, RunnersEach: 2, BusyRunners: w.IntN(2*w.ready + 1),
			Used: w.value(w.Float64()), UsedLeast: w.value(w.Float64()), QueuedMS: w.value(w.Float64() * 1000),
		},
	}
	for range w.IntN(w.ready + 1) {
		s.Pool.IdleSeconds = append(s.Pool.IdleSeconds, w.value(w.Float64()*200))
	}
	for range int(w.set.TickSeconds) {
		s.Arrivals = append(s.Arrivals, procurement.Second{Strict: w.value(float64(w.IntN(1 + int(w.rate)))), Relaxed: w.value(w.rate / 2)})
	}
	switch w.IntN(200) {
	case 0:
		s.CoveredTo = time.Time{}
	case 1:
		s.CoveredTo = w.at.Add(time.Duration(w.IntN(2000)-1000) * time.Second)
	case 2:
		s.Arrivals = nil
	}
	c := decision.Case{At: w.at, Pool: "general", Snapshot: s, Group: w.group, SpentUSD: w.value(w.spent), Others: w.others(), Settings: w.set, Before: w.state,
		Signals: []decision.Signal{{Name: decision.Arrivals, AgeSeconds: 3}}}
	for i := range w.ready {
		c.Leaving = append(c.Leaving, "w"+strconv.Itoa(i))
	}
	return c
}

// apply does what was decided, or fails to.
func (w *world) apply(a decision.Action) {
	if w.one(50) {
		return // killed before it acted
	}
	w.group.Desired = a.To
	w.ready = max(0, w.ready-len(a.Drain))
	if more := a.To - w.ready - w.booting; more > 0 && !w.one(10) {
		w.booting += w.IntN(more + 1)
	}
}

const ticks = 100 // of a world

// worlds is how many worlds are tried.
func worlds() uint64 {
	if testing.Short() {
		return 40
	}
	return 1000
}

// Over 100,000 random ticks no bound is passed, nothing is decided on what
// cannot be trusted, a controller that forgot everything lets no worker go,
// and records replay to the same bytes.
func TestNothingPassesTheBounds(t *testing.T) {
	for seed := range worlds() {
		w := newWorld(seed)
		for range ticks {
			if w.one(20) {
				w.state = decision.State{} // restarted without memory
			}
			c := w.turn()
			r, after, err := decision.Make(c)
			if err != nil {
				t.Fatal(err)
			}
			if why := passes(c, r); why != "" {
				t.Fatalf("seed %d: %s\n%s", seed, why, r.Explain())
			}
			if w.one(8) { // reading and writing records takes most of the time
				replays(t, r)
			}
			w.state = after
			w.apply(r.Action)
		}
	}
}

// others is one pool of two or more, and nothing otherwise.
func (w *world) others() (o decision.Others) {
	if w.one(2) {
		o = decision.Others{SpentUSD: w.value(w.Float64() / 10), DecidedUSDPerHour: w.value(w.Float64()), WantedUSDPerHour: []float64{w.value(w.Float64()), w.value(3 * w.Float64())}}
	}
	return o
}

// passes says which promise a decision breaks.
func passes(c decision.Case, r decision.Record) string {
	set, to, have := c.Settings, r.Action.To, c.Snapshot.Pool.Ready+c.Snapshot.Pool.Booting
	ceiling := min(set.MaxWorkers, c.Group.Max)
	price := r.Case.Snapshot.WorkerUSDPerHour
	if set.HourlyBudgetUSD > 0 && price > 0 {
		ceiling = min(ceiling, int(set.HourlyBudgetUSD/price+1e-9))
		toGo := max(set.TickSeconds/3600, c.At.Truncate(time.Hour).Add(time.Hour).Sub(c.At).Hours())
		if o := r.Case.Others; to > 0 && r.Case.SpentUSD+o.SpentUSD+(o.DecidedUSDPerHour+float64(to)*price)*toGo > set.HourlyBudgetUSD+1e-6 {
			return "more than the budget"
		}
	}
	switch {
	case to < 0:
		return "below zero"
	case to > set.MaxWorkers, to > c.Group.Max, to > ceiling:
		return "above a cap"
	case to > max(have, c.Group.Desired, set.MinWorkers, c.Group.Min)+set.MaxStep:
		return "faster than the rate"
	case to < min(have, ceiling) && c.Before.WatchedFrom.IsZero() && set.WatchSeconds > 0 && set.HourlyBudgetUSD == 0:
		return "a controller that forgot everything lets workers go"
	case to < min(have, ceiling) && r.Outcome != procurement.Decided && set.HourlyBudgetUSD == 0:
		return "workers leave on a signal that cannot be trusted"
	case len(r.Faults()) > 0 && r.Outcome == procurement.Decided:
		return "decided on a signal that cannot be trusted"
	case len(r.Action.Drain) > max(0, have-to):
		return "more leave than are too many"
	case r.Wanted != to && len(r.Clamps) == 0:
		return "changed without a clamp that says so"
	}
	return ""
}

func replays(t *testing.T, r decision.Record) {
	t.Helper()
	raw, err := r.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, same, err := decision.Replay(raw)
	if err != nil || !same {
		t.Fatalf("replayed to other bytes (error %v)\n%s\n%s", err, raw, again)
	}
	if bytes.Contains(raw, []byte("null")) {
		t.Fatalf("a null in %s", raw)
	}
}
