package simulate_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// square is a load that is at one level for half of a period and at another for the
// other half.
func square(low, high float64, period, length time.Duration) arrivals.Trace {
	draw := rand.New(rand.NewPCG(7, 7))
	t := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(length.Seconds()))}
	for i := range t.Counts {
		rate := low
		if math.Mod(float64(i), period.Seconds()) >= period.Seconds()/2 {
			rate = high
		}
		t.Counts[i] = arrivals.PoissonCount(rate, draw)
	}
	return t
}

// Peaks of ten seconds that relaxed queries can wait out need no workers of their own: hedged
// as deployed has fewer than the simple rule, which keeps workers for the peaks.
func TestHedgedLetsRelaxedQueriesWaitOutShortPeaks(t *testing.T) {
	tr := square(10, 40, 20*time.Second, 45*time.Minute)
	usd := map[string]float64{}
	for _, s := range []procurement.Scheme{must(procurement.Get("hedged")), must(rivals.Get("quantile"))} {
		c := config(s, tr)
		c.AsDeployed, c.From, c.Warmup = &simulate.AsDeployed{}, 25*time.Minute, 25*time.Minute
		c.Settings.MaxOverflowConcurrency = 10000
		r := run(t, c)
		usd[s.Name()] = r.Bill.Total()
	}
	if usd["hedged"] > 0.9*usd["quantile"] {
		t.Errorf("%v", usd)
	}
}

// On a load that swings faster than workers boot hedged does not swing with it: as
// deployed it costs at most a tenth more than the simple rule and than mixed.
func TestHedgedDoesNotSwingWithSquareWaves(t *testing.T) {
	periods := []time.Duration{time.Minute, 200 * time.Second}
	if testing.Short() {
		periods = periods[:1]
	}
	for _, period := range periods {
		tr := square(10, 40, period, 45*time.Minute)
		usd := map[string]float64{}
		for _, s := range []procurement.Scheme{must(procurement.Get("hedged")), must(procurement.Get("mixed")), must(rivals.Get("quantile"))} {
			c := config(s, tr)
			c.AsDeployed, c.From, c.Warmup = &simulate.AsDeployed{}, 25*time.Minute, 25*time.Minute
			c.Settings.MaxOverflowConcurrency = 10000
			usd[s.Name()] = run(t, c).Bill.Total()
		}
		if least := min(usd["mixed"], usd["quantile"]); usd["hedged"] > 1.1*least {
			t.Errorf("period %v: %v", period, usd)
		}
	}
}
