package simulate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// randomRun draws a load that swings, and how it is served.
func randomRun(rt *rapid.T) simulate.Config {
	low := rapid.Float64Range(0, 30).Draw(rt, "low")
	high := low + rapid.Float64Range(0, 60).Draw(rt, "rise")
	tr := square(low, high, time.Duration(rapid.IntRange(20, 600).Draw(rt, "period"))*time.Second, 15*time.Minute)
	c := config(nil, tr)
	c.From, c.Warmup = 5*time.Minute, 5*time.Minute
	c.Settings.VMBootSeconds = float64(rapid.IntRange(0, 200).Draw(rt, "boot"))
	c.Settings.MaxOverflowConcurrency = 10000
	c.MinimumSeconds = float64(rapid.SampledFrom([]int{0, 60}).Draw(rt, "minimum"))
	c.Strict = rapid.Float64Range(0, 1).Draw(rt, "strict")
	c.RelaxMS = rapid.SampledFrom([]float64{1500, 10000, 60000}).Draw(rt, "relaxed")
	c.Seed = rapid.Uint64().Draw(rt, "seed")
	for i := range c.Pools[0].Models {
		m := &c.Pools[0].Models[i]
		m.P99MS = m.ServiceMS * rapid.Float64Range(1, 3).Draw(rt, "tail")
		m.USD *= rapid.Float64Range(0.3, 3).Draw(rt, "price")
		m.ColdUSD *= 3
	}
	return c
}

// No scheme, rival on Paragon or random schedule costs less than the linear program, with
// what it does not answer in time called; nor does the clairvoyant.
func TestNothingBeatsTheLinearProgramme(t *testing.T) {
	t.Parallel() // it takes longest of the package
	rapid.Check(t, func(rt *rapid.T) {
		c := randomRun(rt)
		known, least, err := simulate.Clairvoyant(c)
		if err != nil {
			rt.Fatal(err)
		}
		check := func(name string, r simulate.Result) {
			missed := float64(r.Strict.Missed+r.Relaxed.Missed) * max(c.Pools[0].Models[0].USD, c.Pools[0].Models[1].USD)
			if spent := r.Bill.Workers + r.Bill.Functions; spent+missed < least*(1-1e-9) {
				rt.Errorf("%s costs $%v and missed calls of $%v, below the $%v of the linear programme", name, spent, missed, least)
			}
		}
		check("clairvoyant", known)
		played := append(procurement.All(), must(rivals.Get("quantile")), atRandom{rand.New(rand.NewPCG(c.Seed, 1))})
		for i, s := range played {
			of := c
			of.Scheme = s
			if i < len(procurement.All()) && rapid.Bool().Draw(rt, "as deployed") {
				of.AsDeployed = &simulate.AsDeployed{}
			}
			r, err := simulate.Run(of)
			if err != nil {
				rt.Fatal(err)
			}
			check(s.Name(), r)
		}
	})
}

// Where the answer can be counted, the program has it: a load that keeps one worker busy all
// the time takes one if calls are more expensive, and calls if not; of a tenth of that load a
// tenth of one, as the program has workers in parts.
func TestTheProgrammesCostCanBeCounted(t *testing.T) {
	c := config(nil, arrivals.Trace{Step: time.Second, Counts: make([]float64, 1200)})
	p := &c.Pools[0]
	p.Models = p.Models[:1]
	p.Models[0].ServiceMS = 100
	for i := range c.Trace.Counts {
		c.Trace.Counts[i] = 20 // of two runners
	}
	worker := p.USDPerHour / 3 // twenty minutes of it
	for _, tc := range []struct {
		name    string
		rate    float64
		callUSD float64 // relative to a worker's share
		want    float64
	}{
		{"expensive calls", 20, 3, worker},
		{"cheap calls", 20, 0.5, worker / 2},
		{"little load", 2, 3, worker / 10},
	} {
		for i := range c.Trace.Counts {
			c.Trace.Counts[i] = tc.rate
		}
		p.Models[0].USD = tc.callUSD * p.USDPerHour / 3600 / 20
		least, err := simulate.LinearUSD(c)
		if err != nil {
			t.Fatal(err)
		}
		// What waits at either end is a second or two of twenty minutes.
		if least < 0.98*tc.want || least > 1.001*tc.want {
			t.Errorf("%s: $%.5f, want $%.5f", tc.name, least, tc.want)
		}
	}
}
