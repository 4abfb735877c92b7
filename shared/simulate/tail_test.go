package simulate_test

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// lastSecond is a minute in whose last second n queries of 400 ms arrive at two
// workers of one runner each.
func lastSecond(n float64) simulate.Config {
	counts := make([]float64, 60)
	counts[59] = n
	c := config(still{2}, arrivals.Trace{Step: time.Second, Counts: counts})
	c.Workers, c.Strict = 2, 0
	c.Pools[0].Runners = 1
	c.Pools[0].Models = c.Pools[0].Models[1:]
	return c
}

// Workers are billed to the last arrival and then as long as they run something.
func TestWorkAfterTheLastArrivalIsBilled(t *testing.T) {
	for _, deployed := range []*simulate.AsDeployed{nil, {}} {
		c := lastSecond(50)
		c.AsDeployed = deployed
		if deployed != nil {
			c.Scheme = must(procurement.Get("reactive"))
			c.Settings.MinWorkers, c.Settings.MaxWorkers = 2, 2
		}
		r := run(t, c)
		// 20 s of runner time, of which up to a second each lies within the trace.
		if after := r.VMSeconds - 2*60; after < 18 || after > 20 {
			t.Errorf("as deployed %v: %.2f s are billed after the trace, want 18 to 20", deployed != nil, after)
		}
		if want := r.VMSeconds / 3600 * c.Pools[0].USDPerHour; math.Abs(r.Bill.Workers-want) > 1e-9 {
			t.Errorf("as deployed %v: %.2f s cost $%v, want $%v", deployed != nil, r.VMSeconds, r.Bill.Workers, want)
		}
	}
}

// The bound is that of the queries that came, not of the mean one. Which one
// came shows in how often functions that cost far apart are paid.
func TestTheBoundIsThatOfTheQueriesThatCame(t *testing.T) {
	seen := map[float64]bool{}
	for seed := range uint64(16) {
		c := lastSecond(1)
		c.Scheme, c.Strict, c.Workers = must(procurement.Get("mixed")), 1, 0
		c.Pools, c.Seed, c.ColdStarts = []simulate.Pool{pool()}, seed, false
		r := run(t, c)
		want := c.Pools[0].LeastUSD(0)
		if r.Bill.Functions == c.Pools[0].Models[1].USD {
			want = c.Pools[0].LeastUSD(1)
		}
		if r.Arrived() != 1 || r.Bill.Functions == 0 || r.LeastUSD != want {
			t.Errorf("seed %d: at least $%v for %d queries, want $%v", seed, r.LeastUSD, r.Arrived(), want)
		}
		seen[want] = true
	}
	if len(seen) != 2 {
		t.Errorf("of two models %d came", len(seen))
	}
}
