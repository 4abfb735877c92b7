package simulate_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// Queries ask for one of several bounds, strict or not; the model follows.
func asks() []simulate.Ask {
	return []simulate.Ask{
		{Strict: true, BoundMS: 120, Served: []simulate.Served{{Model: 0}}},
		{Strict: true, BoundMS: 700, Served: []simulate.Served{{Model: 0, Inaccurate: true}, {Model: 1}}},
		{BoundMS: 20000, Served: []simulate.Served{{Model: 1}}},
	}
}

// A third of the queries each, a half of the second third too inaccurate.
func TestQueriesGetWhatTheyAskFor(t *testing.T) {
	c := config(must(procurement.Get("mixed")), generated(t, "constant", 30))
	c.Asks = asks()
	r := run(t, c)
	checkInvariants(t, r)
	checkBound(t, c, r)
	near := func(what string, got int64, share float64) {
		if want := share * float64(r.Arrived()); math.Abs(float64(got)-want) > 0.01*float64(r.Arrived()) {
			t.Errorf("%s: %d of %d, want a share of %.3f", what, got, r.Arrived(), share)
		}
	}
	near("strict", r.Strict.Arrived, 2./3)
	near("inaccurate", r.Strict.Inaccurate, 1./6)
	if r.Relaxed.Inaccurate != 0 {
		t.Errorf("%d relaxed queries were answered by a model that is too inaccurate", r.Relaxed.Inaccurate)
	}
}

// A query's own bound counts: within 120 ms no query waits for another, so
// that a scheme without overflow misses some and one with it next to none; within 20 s
// no query is late.
func TestABoundIsTheQuerysOwn(t *testing.T) {
	missed := func(scheme string, a simulate.Ask) float64 {
		c := config(must(procurement.Get(scheme)), generated(t, "constant", 30))
		c.Asks = []simulate.Ask{a}
		return run(t, c).MissedRatio()
	}
	tight, loose := asks()[0], asks()[2]
	if alone, helped := missed("reactive", tight), missed("mixed", tight); alone < 0.01 || helped > alone/3 {
		t.Errorf("within 120 ms reactive misses %.3f and mixed %.3f", alone, helped)
	}
	if got := missed("reactive", loose); got != 0 {
		t.Errorf("within 20 s reactive misses %.3f", got)
	}
}

// Two asks with the bounds of the classes, of any model, are workload 1 with as
// many strict queries as relaxed ones: the same load costs the same.
func TestAsksOfTheClassesAreWorkload1(t *testing.T) {
	c := config(must(procurement.Get("reactive")), generated(t, "mmpp", 30))
	classes := run(t, c)
	all := []simulate.Served{{Model: 0}, {Model: 1}}
	c.Asks = []simulate.Ask{{BoundMS: c.RelaxMS, Served: all}, {Strict: true, BoundMS: c.StrictMS, Served: all}}
	if asked := run(t, c); math.Abs(asked.Bill.Total()/classes.Bill.Total()-1) > 0.02 || asked.PriceRatio != classes.PriceRatio {
		t.Errorf("$%.4f with asks, $%.4f with classes", asked.Bill.Total(), classes.Bill.Total())
	}
}

func TestInvariantsHoldForAnyAsks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		counts := rapid.SliceOfN(rapid.Float64Range(0, 60), 30, 180).Draw(rt, "counts")
		c := config(rapid.SampledFrom(procurement.All()).Draw(rt, "scheme"), arrivals.Trace{Step: time.Second, Counts: counts})
		c.Asks = rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) simulate.Ask {
			return simulate.Ask{
				Strict: rapid.Bool().Draw(rt, "strict"), BoundMS: rapid.Float64Range(20, 30000).Draw(rt, "bound"),
				Served: []simulate.Served{{Model: rapid.IntRange(0, 1).Draw(rt, "model")}},
			}
		}), 1, 4).Draw(rt, "asks")
		c.Seed = rapid.Uint64().Draw(rt, "seed")
		r, err := simulate.Run(c)
		if err != nil {
			rt.Fatal(err)
		}
		checkInvariants(rt, r)
		checkBound(rt, c, r)
	})
}

func TestAsksThatCannotBePlayed(t *testing.T) {
	for name, spoil := range map[string]func(*simulate.Config){
		"no model":            func(c *simulate.Config) { c.Asks[0].Served = nil },
		"a model that is not": func(c *simulate.Config) { c.Asks[0].Served[0].Model = 2 },
		"no time":             func(c *simulate.Config) { c.Asks[0].BoundMS = c.Settings.PathMS },
		"no number":           func(c *simulate.Config) { c.Asks[0].BoundMS = math.NaN() },
		"two pools":           func(c *simulate.Config) { c.Pools = append(c.Pools, pool()) },
	} {
		c := config(must(procurement.Get("mixed")), generated(t, "constant", 1))
		c.Asks = asks()
		spoil(&c)
		if _, err := simulate.Run(c); err == nil {
			t.Errorf("%s was played", name)
		}
	}
}
