package demo

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

func TestApartIsTheMeanDistanceOverTime(t *testing.T) {
	at := func(second float64, ready, booting int) Tick {
		return Tick{AtSeconds: second, Ready: ready, Booting: booting}
	}
	seen := []Tick{at(0.5, 2, 0), at(10.5, 2, 2), at(20.5, 4, 0)}
	for name, c := range map[string]struct {
		simulated []Tick
		want      float64
	}{
		"the same, at other moments": {[]Tick{at(0, 2, 0), at(10, 3, 1), at(20, 4, 0)}, 0},
		"one more for a third":       {[]Tick{at(0, 3, 0), at(10, 4, 0), at(20, 4, 0)}, 10},
		"up and down do not cancel":  {[]Tick{at(0, 3, 0), at(10, 3, 0), at(20, 4, 0)}, 20},
		"nothing":                    {nil, 0},
	} {
		if got := apart(seen, c.simulated); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v %%, want %v", name, got, c.want)
		}
	}
}

func TestASimulatedTickIsOfTheTracesTime(t *testing.T) {
	r := Report{TimeScale: 10, length: time.Minute}
	m := simulate.Moment{At: 5 * time.Second, Overflow: 7, Decision: procurement.Decision{Workers: 3}, Snapshot: procurement.Snapshot{
		Pool: procurement.Pool{Ready: 2, Booting: 1}, Arrivals: []procurement.Second{{Strict: 1, Relaxed: 1}, {Strict: 4}}}}
	r.watchTicks(m)
	m.At = 2 * time.Minute // after the last arrival
	r.watchTicks(m)
	if want := (Tick{AtSeconds: 50, Shown: 3, Ready: 2, Booting: 1, Wanted: 3, To: 3, Overflow: 7}); len(r.SimulatedTicks) != 1 || r.SimulatedTicks[0] != want {
		t.Errorf("%+v, want %+v", r.SimulatedTicks, want)
	}
}

func TestARunIsHeldToItsOwnScheme(t *testing.T) {
	r := Report{Scheme: "mixed", CostUSD: 2, StrictMetPercent: 98, CostErrorPercent: 6, Others: []Other{{Scheme: "paragon"}, {Scheme: "mixed", StrictViolationPercent: 1.5}}}
	if run := r.Run("day", 3); run.StrictMissedSimulatedPercent != 1.5 || run.StrictMissedPercent != 2 || run.CostErrorPercent != 6 {
		t.Errorf("%+v", run)
	}
	if got := off(1.05, 1); math.Abs(got-5) > 1e-9 || off(0, 0) != 0 || off(1, 0) != 100 {
		t.Errorf("off by %v, %v and %v", got, off(0, 0), off(1, 0))
	}
}
