package simulate_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// After three hours with a spike in each hedged keeps the bounds of both classes in them, as
// deployed and with functions that start too cold for strict queries; before that not.
func TestSpikesOfEachHourKeepTheBoundsAfterThreeHours(t *testing.T) {
	t.Parallel()
	const before, hours = 4, 2
	draw := rand.New(rand.NewPCG(2, 6))
	tr := arrivals.Trace{Step: time.Second, Counts: make([]float64, (before+hours)*3600)}
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
	missed := func(after time.Duration) float64 {
		c.From, c.Warmup = after, after
		r := run(t, c)
		return max(r.Strict.Ratio(), r.Relaxed.Ratio())
	}
	first, later := missed(time.Hour), missed(before*time.Hour)
	t.Logf("%.3f %% missed in the first hours and %.3f %% after", 100*first, 100*later)
	if first < 0.005 || later > 0.005 {
		t.Errorf("%.3f %% missed in the first hours and %.3f %% after", 100*first, 100*later)
	}
}
