package simulate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// After three days of spikes each hour hedged keeps the bounds of both classes in them, as
// deployed and with functions that start too cold for strict queries; on the first day not.
func TestSpikesOfEachHourKeepTheBoundsAfterThreeDays(t *testing.T) {
	t.Parallel() // it takes longest of the package
	const days, hours = 3, 2
	draw := rand.New(rand.NewPCG(2, 6))
	tr := arrivals.Trace{Step: time.Second, Counts: make([]float64, (days*24+1+hours)*3600)}
	for i := range tr.Counts {
		rate := 1.0
		if i%3600 < 120 {
			rate = 30
		}
		tr.Counts[i] = arrivals.PoissonCount(rate, draw)
	}
	c := config(must(procurement.Get("hedged")), tr)
	c.AsDeployed, c.For = &simulate.AsDeployed{}, hours*time.Hour
	c.Settings.MaxOverflowConcurrency, c.Settings.MaxWorkers = 1000, 1000
	c.Settings.TickSeconds, c.Settings.Forecaster = 20, "last" // three days are computed soon
	missed := func(after time.Duration) float64 {
		c.From, c.Warmup = after, after
		r := run(t, c)
		return max(r.Strict.Ratio(), r.Relaxed.Ratio())
	}
	first, later := missed(time.Hour), missed((days*24+1)*time.Hour)
	t.Logf("%.3f %% missed on the first day and %.3f %% after three", 100*first, 100*later)
	if first < 0.005 || later > 0.005 {
		t.Errorf("%.3f %% missed on the first day and %.3f %% after three", 100*first, 100*later)
	}
}
