package procurement_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(*procurement.Snapshot)
		signal string // empty means that all can be relied upon
		why    string
	}{
		{"all is well", func(*procurement.Snapshot) {}, "", ""},
		{"just fresh enough", func(s *procurement.Snapshot) { s.CoveredTo = at.Add(-60 * time.Second) }, "", ""},
		{"too old", func(s *procurement.Snapshot) { s.CoveredTo = at.Add(-61 * time.Second) }, procurement.SignalArrivals, "61 s old, and may be at most 60 s old"},
		{"never known", func(s *procurement.Snapshot) { s.CoveredTo = time.Time{} }, procurement.SignalArrivals, "not known"},
		{"from the future", func(s *procurement.Snapshot) { s.CoveredTo = at.Add(time.Second) }, procurement.SignalArrivals, "future"},
		{"no number", func(s *procurement.Snapshot) { s.Arrivals[1].Strict = math.NaN() }, procurement.SignalArrivals, "the second 8 before the last"},
		{"zero while queries wait and run", func(s *procurement.Snapshot) {
			s.Arrivals, s.Pool.QueuedMS, s.Pool.BusyRunners = make([]procurement.Second, 3), 50, 2
		}, procurement.SignalArrivals, "zero"},
		{"zero while nothing waits", func(s *procurement.Snapshot) { s.Arrivals = make([]procurement.Second, 3) }, "", ""},
		{"a negative price", func(s *procurement.Snapshot) { s.FunctionUSD = -1 }, procurement.SignalWork, "the price of a function"},
		{"a count below zero", func(s *procurement.Snapshot) { s.Pool.Ready = -1 }, procurement.SignalWork, "a count of workers"},
		{"an idle time", func(s *procurement.Snapshot) { s.Pool.IdleSeconds = []float64{math.Inf(1)} }, procurement.SignalWork, "an idle time"},
		{"no service time", func(s *procurement.Snapshot) { s.ServiceMS = 0 }, procurement.SignalWork, "throughput"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := settings.Defaults()
			set.Scheme, set.StaleSeconds = "reactive", 60
			s := observedReason(10, 10, procurement.Pool{Ready: 3})
			c.spoil(&s)
			_, faults := procurement.Check(at, s, procurement.State{}, set)
			if c.signal == "" != (len(faults) == 0) || len(faults) > 0 && (faults[0].Signal != c.signal || !strings.Contains(faults[0].Why, c.why)) {
				t.Fatalf("faults %+v", faults)
			}
			d, _, err := run(at, s, set, procurement.State{})
			if held := d.Outcome == procurement.Held; err != nil || held != (c.signal != "") || held != (d.Cause != "") {
				t.Errorf("decided %+v, error %v", d, err)
			}
		})
	}
}

// What is checked holds no value that could not be one, and checking it again
// finds nothing but what was not there before either.
func TestCheckIsIdempotent(t *testing.T) {
	value := rapid.SampledFrom([]float64{0, 1, 200, 1e12, 1e13, -1, math.NaN(), math.Inf(1), math.Inf(-1)})
	rapid.Check(t, func(t *rapid.T) {
		s := observedReason(5, 5, procurement.Pool{Ready: rapid.IntRange(-1, 3).Draw(t, "ready")})
		s.ServiceMS, s.DeferMS, s.Pool.QueuedMS = value.Draw(t, "service"), value.Draw(t, "defer"), value.Draw(t, "queued")
		s.Pool.IdleSeconds = rapid.SliceOfN(value, 0, 3).Draw(t, "idle")
		s.Arrivals[2].Relaxed = value.Draw(t, "relaxed")
		once, _ := procurement.Check(at, s, procurement.State{}, settings.Defaults())
		for _, v := range append([]float64{once.ServiceMS, once.DeferMS, once.Pool.QueuedMS}, once.Pool.IdleSeconds...) {
			if !procurement.IsValue(v) {
				t.Fatalf("%v is left in %+v", v, once)
			}
		}
		twice, _ := procurement.Check(at, once, procurement.State{}, settings.Defaults())
		if d := cmp.Diff(once, twice); d != "" {
			t.Fatalf("checked again:\n%s", d)
		}
	})
}

func TestHoldKeepsWhatIsInForce(t *testing.T) {
	before := procurement.State{Strict: procurement.Never, Relaxed: procurement.AtBound}
	hedged, err := procurement.Get("hedged")
	if err != nil {
		t.Fatal(err)
	}
	if d := procurement.HoldWorkers(hedged, 4, before, "no news"); d.Outcome != procurement.Held || d.Workers != 4 || d.Strict != procurement.Never || d.Relaxed != procurement.AtBound {
		t.Errorf("%+v", d)
	}
	for _, s := range procurement.All() {
		_, relaxed := s.Overflow()
		if d := procurement.HoldWorkers(s, 4, procurement.State{}, "no news"); d.Strict != procurement.AtBound || d.Relaxed != relaxed {
			t.Errorf("%s without a decision before: strict %s, relaxed %s, want at_bound and the scheme's %s", s.Name(), d.Strict, d.Relaxed, relaxed)
		}
	}
}
