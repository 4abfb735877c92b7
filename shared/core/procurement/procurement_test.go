package procurement_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

var at = time.Unix(1_700_000_000, 0).UTC()

// observedReason is a snapshot of a pool whose workers answer 10 queries a second each,
// and that saw a rate for some seconds.
func observedReason(rate float64, seconds int, p procurement.Pool) procurement.Snapshot {
	p.RunnersEach = 2
	s := procurement.Snapshot{CoveredTo: at, ServiceMS: 200, DeferMS: 9000, WorkerUSDPerHour: 0.09, FunctionUSD: 2e-5, Pool: p}
	for range seconds {
		s.Arrivals = append(s.Arrivals, procurement.Second{Strict: rate / 2, Relaxed: rate / 2})
	}
	return s
}

// run decides by the scheme that the settings name.
func run(now time.Time, s procurement.Snapshot, set settings.Settings, st procurement.State) (procurement.Decision, procurement.State, error) {
	scheme, err := procurement.Get(set.Scheme)
	if err != nil {
		return procurement.Decision{}, st, err
	}
	d, after := procurement.Run(scheme, now, s, set, st)
	return d, after, nil
}

func decide(t *testing.T, name string, s procurement.Snapshot, st procurement.State) (procurement.Decision, procurement.State) {
	t.Helper()
	set := settings.Defaults()
	set.Scheme = name
	d, after, err := run(at, s, set, st)
	if err != nil {
		t.Fatal(err)
	}
	return d, after
}

func TestReactive(t *testing.T) {
	for _, c := range []struct {
		name string
		s    procurement.Snapshot
		want int
	}{
		{"for the rate", observedReason(55, 10, procurement.Pool{Ready: 3}), 6},
		{"and the backlog", observedReason(55, 10, procurement.Pool{Ready: 3, QueuedMS: 40_000}), 8}, // 200 queries in 10 s
		{"nothing closes that was not idle", observedReason(10, 10, procurement.Pool{Ready: 6}), 6},
		{"nor that was not idle for long", observedReason(10, 10, procurement.Pool{Ready: 6, IdleSeconds: []float64{179, 20}}), 6},
		{"what was idle for long closes", observedReason(10, 10, procurement.Pool{Ready: 6, IdleSeconds: []float64{400, 180, 20}}), 4},
		{"but not below the need", observedReason(45, 10, procurement.Pool{Ready: 6, IdleSeconds: []float64{400, 180}}), 5},
		{"no load, no worker", observedReason(0, 10, procurement.Pool{Ready: 1, IdleSeconds: []float64{200}}), 0},
	} {
		d, _ := decide(t, "reactive", c.s, procurement.State{})
		if d.Workers != c.want || d.Strict != procurement.Never || d.Relaxed != procurement.Never {
			t.Errorf("%s: %+v, want %d workers and no overflow", c.name, d, c.want)
		}
	}
}

func TestUtilAware(t *testing.T) {
	d, _ := decide(t, "util_aware", observedReason(10, 10, procurement.Pool{Ready: 4, Used: 0.9, UsedLeast: 0.81}), procurement.State{})
	if d.Workers <= 4 {
		t.Errorf("above 80 %%: %+v", d)
	}
	var st procurement.State
	low := procurement.Pool{Ready: 4, Used: 0.2, UsedLeast: 0.1}
	for i, want := range []int{4, 4, 3, 4} {
		s := observedReason(10, 10, low)
		if d, st = decide(t, "util_aware", s, st); d.Workers != want {
			t.Errorf("low reading %d: %d workers, want %d", i, d.Workers, want)
		}
	}
	if d, _ = decide(t, "util_aware", observedReason(10, 10, procurement.Pool{Ready: 4, Used: 0.7, UsedLeast: 0.7}), st); d.Workers != 4 {
		t.Errorf("in between: %+v", d)
	}
}

func TestExascaleHoldsHeadroom(t *testing.T) {
	d, _ := decide(t, "exascale", observedReason(50, 300, procurement.Pool{Ready: 5}), procurement.State{})
	if d.Workers != 6 {
		t.Errorf("%+v, want 6 workers for 50 x 1.2 queries/s", d)
	}
}

func TestMixedIsReactiveWithOverflow(t *testing.T) {
	s := observedReason(55, 10, procurement.Pool{Ready: 3, QueuedMS: 30_000})
	m, _ := decide(t, "mixed", s, procurement.State{})
	r, _ := decide(t, "reactive", s, procurement.State{})
	if m.Workers != r.Workers || m.Strict != procurement.AtBound || m.Relaxed != procurement.AtBound {
		t.Errorf("%+v and %+v", m, r)
	}
}

func TestMixedPredictiveExtendsTheLine(t *testing.T) {
	s := observedReason(0, 0, procurement.Pool{Ready: 1})
	for i := range 500 { // 0.1 queries/s more a second: 50 at the end, 60 when a worker could serve
		s.Arrivals = append(s.Arrivals, procurement.Second{Strict: 0.1 * float64(i)})
	}
	d, st := decide(t, "mixed_predictive", s, procurement.State{})
	if d.Workers != 6 {
		t.Errorf("%+v, want 6 workers for 60 queries/s", d)
	}
	s.Pool.Ready = 2
	s.Arrivals = s.Arrivals[:0]
	if again, _ := decide(t, "mixed_predictive", s, st); again.Workers != 2 {
		t.Errorf("it predicted again before its time: %+v", again)
	}
}

func TestParagonDistinguishesStaticFromDynamic(t *testing.T) {
	static, st := decide(t, "paragon", observedReason(60, 900, procurement.Pool{Ready: 5}), procurement.State{})
	if static.Dynamic || static.Relaxed != procurement.Never || static.Strict != procurement.AtBound || static.Workers != 7 {
		t.Errorf("flat load: %+v, want static and 60/0.95/10 workers", static)
	}
	s := observedReason(60, 0, procurement.Pool{Ready: 5})
	s.CoveredTo = at.Add(300 * time.Second)
	for i := range 300 {
		rate := 60.0
		if i > 200 {
			rate = 200
		}
		s.Arrivals = append(s.Arrivals, procurement.Second{Strict: rate})
	}
	set := settings.Defaults()
	set.Scheme = "paragon"
	burst, after, _ := run(at.Add(300*time.Second), s, set, st)
	if !burst.Dynamic || burst.PeakToMedian < 1.5 || burst.StaticSeconds != 0 {
		t.Errorf("a burst: %+v", burst)
	}
	if after.Load.StaticEnds != 1 {
		t.Errorf("the end of the static phase was not counted: %+v", after.Load)
	}
}

// Dearer functions make hedged hold more workers, and a wider band too when
// functions are expensive.
func TestHedgedDependsOnThePrices(t *testing.T) {
	last := -1
	for _, usd := range []float64{1e-7, 3e-6, 6e-6, 2e-5, 1e-4} {
		s := observedReason(0, 0, procurement.Pool{Ready: 5})
		for i := range 1800 {
			rate := 50 + 30*math.Sin(float64(i)/40)
			s.Arrivals = append(s.Arrivals, procurement.Second{Strict: rate / 2, Relaxed: rate / 2})
		}
		s.FunctionUSD = usd
		d, _ := decide(t, "hedged", s, procurement.State{})
		if d.Workers < last {
			t.Errorf("at $%v a query %d workers, at less %d", usd, d.Workers, last)
		}
		last = d.Workers
		if d.Strict != procurement.AtBound || d.Relaxed != procurement.AtBound || len(d.Candidates) == 0 {
			t.Errorf("%+v", d)
		}
	}
	if last < 6 {
		t.Errorf("expensive functions and %d workers for 80 queries/s", last)
	}
}

// A load that has stepped up is served at its new level: the step stays in what
// is remembered for half an hour, and is no way in which the load moves now.
func TestHedgedServesTheLevelAfterAStep(t *testing.T) {
	for _, sinceSeconds := range []int{120, 300, 900} {
		s := observedReason(0, 0, procurement.Pool{Ready: 40, Used: 0.95})
		for i := range 1800 {
			rate := 50.0
			if i >= 1800-sinceSeconds {
				rate = 400
			}
			s.Arrivals = append(s.Arrivals, procurement.Second{Strict: rate / 2, Relaxed: rate / 2})
		}
		if d, _ := decide(t, "hedged", s, procurement.State{}); d.Workers < 36 || d.Workers > 50 {
			t.Errorf("%d s after the step %d workers of 10 queries/s for 400", sinceSeconds, d.Workers)
		}
	}
}

// A scheme changes nothing that it is given, its memory survives a store, and
// what came twice is counted once.
func TestSchemesArePure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := settings.Defaults()
		set.Scheme = rapid.SampledFrom(procurement.Names()).Draw(t, "scheme")
		var live, stored procurement.State
		now := at
		for range rapid.IntRange(1, 12).Draw(t, "ticks") {
			s := procurement.Snapshot{CoveredTo: now.Add(-time.Minute), ServiceMS: 200, DeferMS: 9000, WorkerUSDPerHour: 0.1, FunctionUSD: 1e-5}
			s.Pool = procurement.Pool{RunnersEach: 2, Ready: rapid.IntRange(0, 9).Draw(t, "ready"), Used: 0.5, UsedLeast: 0.5}
			for range 20 { // ten of them were shown before
				s.Arrivals = append(s.Arrivals, procurement.Second{Strict: rapid.Float64Range(0, 90).Draw(t, "rate")})
			}
			before, _ := json.Marshal(live)
			d, after, err := run(now, s, set, live)
			if err != nil {
				t.Fatal(err)
			}
			if again, _ := json.Marshal(live); string(again) != string(before) {
				t.Fatal("the state was changed in place")
			}
			d2, after2, _ := run(now, s, set, stored)
			a, _ := json.Marshal(d)
			if b, _ := json.Marshal(d2); string(a) != string(b) {
				t.Fatalf("stored memory decides %s, live memory %s", b, a)
			}
			if d.Workers < 0 || d.Strict == "" || d.Relaxed == "" || d.Reason == "" {
				t.Fatalf("%+v", d)
			}
			live = after
			raw, _ := json.Marshal(after2)
			stored = procurement.State{}
			if err := json.Unmarshal(raw, &stored); err != nil {
				t.Fatal(err)
			}
			now = now.Add(10 * time.Second)
		}
	})
}

func TestUnknownScheme(t *testing.T) {
	_, _, err := run(at, procurement.Snapshot{}, settings.Settings{Scheme: "magic"}, procurement.State{})
	if err == nil || !strings.Contains(err.Error(), "hedged") {
		t.Errorf("error %v", err)
	}
}

// The settings name exactly the schemes there are.
func TestSettingsNameTheSchemes(t *testing.T) {
	for _, f := range settings.Fields() {
		if f.Name == "scheme" && strings.Join(f.OneOf, " ") != strings.Join(procurement.Names(), " ") {
			t.Errorf("settings name %v, there are %v", f.OneOf, procurement.Names())
		}
	}
}

// A rate that rounds to none reads as less than the smallest that is shown.
func TestRatesInWords(t *testing.T) {
	for perSecond, want := range map[float64]string{0: "less than 0.1 queries/s", 0.0499: "less than 0.1 queries/s", 0.05: "0.1 queries/s", 10: "10.0 queries/s"} {
		if got := procurement.Rate(perSecond); got != want {
			t.Errorf("%v is %q, want %q", perSecond, got, want)
		}
	}
}
