package simulate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// madeUp is availability by the minute: two zones with plenty for half an hour, one of
// them for ten minutes, none for ten, and plenty again.
func madeUp() *simulate.Availability {
	a := &simulate.Availability{Name: "made up", Step: time.Minute, Zones: []string{"a", "b"}}
	for minute := range 120 {
		row := []int{9, 9}
		switch {
		case minute >= 30 && minute < 40:
			row = []int{2, 0}
		case minute >= 40 && minute < 50:
			row = []int{0, 0}
		}
		a.Rows = append(a.Rows, row)
	}
	return a
}

// onSpot plays hedged on flat load for two hours.
func onSpot(t *testing.T, a *simulate.Availability, asDeployed bool) (simulate.Result, []simulate.Moment) {
	t.Helper()
	c := config(must(procurement.Get("hedged")), arrivals.Trace{Step: time.Second, Counts: slices.Repeat([]float64{40}, 2*3600)})
	c.Spot = simulate.Spot{PriceFactor: 0.35, Availability: a}
	c.Settings.MaxOverflowConcurrency, c.Settings.MaxWorkers = 100, 100
	if asDeployed {
		c.AsDeployed = &simulate.AsDeployed{}
	}
	var seen []simulate.Moment
	c.Watch = func(m simulate.Moment) { seen = append(seen, m) }
	r, err := simulate.Run(c)
	if err != nil {
		t.Fatal(err)
	}
	return r, seen
}

// There are never more spot instances than were recorded, they are bought where there
// are some, workers on demand and functions take their place where there are none, and
// no bound is missed for it.
func TestSpotInstancesByARecord(t *testing.T) {
	for _, asDeployed := range []bool{false, true} {
		plain, _ := onSpot(t, nil, asDeployed)
		a := madeUp()
		r, seen := onSpot(t, a, asDeployed)
		onDemand := 0
		for _, m := range seen {
			// A tick at the moment of a change may come before it.
			row, p := a.Rows[(m.At-time.Millisecond)/a.Step], m.Snapshot.Pool
			if spot := p.SpotReady + p.SpotBooting; spot > row[0]+row[1] {
				t.Fatalf("%d spot instances at %v, of %v", spot, m.At, row)
			}
			if row[0]+row[1] == 0 {
				onDemand = max(onDemand, p.Ready)
			}
		}
		compute := r.Bill.Workers + r.Bill.Functions
		if without := plain.Bill.Workers + plain.Bill.Functions; compute > 0.65*without || r.Interrupted == 0 || onDemand == 0 {
			t.Errorf("as deployed %v: $%.3f, and $%.3f on demand; %d taken back, at most %d on demand without any", asDeployed, compute, without, r.Interrupted, onDemand)
		}
		if r.Strict.Ratio() > 0.005 || r.Relaxed.Ratio() > 0.005 {
			t.Errorf("as deployed %v: %.4f of strict and %.4f of relaxed queries missed", asDeployed, r.Strict.Ratio(), r.Relaxed.Ratio())
		}
	}
}

// Where there never are any, hedged ends up with what it buys on demand.
func TestNoSpotInstances(t *testing.T) {
	none := madeUp()
	for i := range none.Rows {
		none.Rows[i] = []int{0, 0}
	}
	plain, _ := onSpot(t, nil, true)
	r, _ := onSpot(t, none, true)
	if got, want := r.Bill.Workers+r.Bill.Functions, plain.Bill.Workers+plain.Bill.Functions; got > 1.05*want || r.Interrupted > 0 {
		t.Errorf("$%.3f, and $%.3f on demand; %d taken back", got, want, r.Interrupted)
	}
}

// A warm instance is one on demand.
func TestWarmInstancesAreNoSpotInstances(t *testing.T) {
	c := config(must(procurement.Get("hedged")), generated(t, "constant", 1))
	c.Spot.Availability, c.AsDeployed = madeUp(), &simulate.AsDeployed{Warm: 1}
	if _, err := simulate.Run(c); err == nil || !strings.Contains(err.Error(), "warm instances") {
		t.Errorf("error %v", err)
	}
}

func TestReadAvailability(t *testing.T) {
	a, err := simulate.ReadAvailability("r", strings.NewReader("second,x,y\n0,1,2\n300,0,4\n"))
	if err != nil || a.Step != 5*time.Minute || len(a.Rows) != 2 || a.Rows[1][1] != 4 || a.Duration() != 10*time.Minute {
		t.Errorf("%+v, error %v", a, err)
	}
	for text, names := range map[string]string{
		"minute,x\n0,1\n1,1\n":                "header",
		"second,x\n0,1\n":                     "two rows",
		"second,x\n0,1\n300,-1\n":             "line 3",
		"second,x\n0,1\n300,2\n900,1\n":       "line 4",
		"second,x\n0,1\n300,many\n":           "zone x",
		"second,x\n0,1,2\n300,1\n":            "r:",
		"second,x\n0,1\n0,1\n":                "line 3",
		"second,x\n0,1\n300,1\n600,1000000\n": "0 to 100000",
	} {
		if _, err := simulate.ReadAvailability("r", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
