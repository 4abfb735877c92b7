package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

// Adversary is an artificial load that is hard to follow with workers, which take
// minutes to start.
type Adversary struct {
	Name  string
	shape arrivals.Shape // unless it has a rate
	rate  rate           // queries a second at a second; asked in the order of time
}

// Adversaries lists the loads: square waves faster and slower than a worker starts, spikes by
// a clock, a flash crowd of 20 times the base, ramps, bursts of any height (Pareto), and
// loads of less than one worker.
func Adversaries() []Adversary {
	const half = 30 * time.Minute // of an hour
	var out []Adversary
	for _, period := range []float64{20, 60, 200, 600, 1200} {
		out = append(out, Adversary{Name: fmt.Sprintf("square wave of %g s", period), rate: squareWave(20, 80, period)})
	}
	out = append(out,
		Adversary{Name: "spikes every 10 minutes", rate: spikes(30, 10, 600, 30)},
		Adversary{Name: "flash crowd", shape: arrivals.Shape{Kind: "flash_crowd", Rate: 10, Peak: 200, At: half, Period: 5 * time.Minute}},
		Adversary{Name: "off and on, 900 s each", rate: squareWave(0, 60, 1800)},
		Adversary{Name: "step up", shape: arrivals.Shape{Kind: "step", Rate: 5, Peak: 100, At: half}},
		Adversary{Name: "step down", shape: arrivals.Shape{Kind: "step", Rate: 100, Peak: 5, At: half}},
		Adversary{Name: "ramp up", rate: ramp(5, 100, 1500, 2700)},
		Adversary{Name: "ramp down", rate: ramp(100, 5, 1500, 2700)},
		Adversary{Name: "Pareto bursts, α 1.5", rate: paretoBursts(30, 1.5)},
		Adversary{Name: "Pareto bursts, α 1.2", rate: paretoBursts(30, 1.2)},
	)
	for _, rate := range []float64{0.05, 0.5, 2, 5} {
		out = append(out, Adversary{Name: fmt.Sprintf("constant %g/s", rate), shape: arrivals.Shape{Kind: "constant", Rate: rate}})
	}
	return out
}

// Trace is the load in steps of a second, with Poisson counts. A seed gives the same trace
// each time.
func (a Adversary) Trace(length time.Duration, seed uint64) (arrivals.Trace, error) {
	random := rand.New(rand.NewPCG(seed, 15))
	if a.rate == nil {
		return arrivals.Generate(a.shape, length, random)
	}
	t := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(length/time.Second))}
	for i := range t.Counts {
		t.Counts[i] = arrivals.PoissonCount(a.rate(float64(i), random), random)
	}
	return t, nil
}

type rate = func(at float64, random *rand.Rand) float64

func squareWave(low, high, period float64) rate {
	return func(at float64, _ *rand.Rand) float64 {
		if math.Mod(at, period) < period/2 {
			return low
		}
		return high
	}
}

// spikes has factor times the base for the last seconds of each period.
func spikes(base, factor, period, lasts float64) rate {
	return func(at float64, _ *rand.Rand) float64 {
		if math.Mod(at, period) >= period-lasts {
			return base * factor
		}
		return base
	}
}

func ramp(before, after, from, to float64) rate {
	return func(at float64, _ *rand.Rand) float64 {
		return before + (after-before)*min(max((at-from)/(to-from), 0), 1)
	}
}

// paretoBursts adds bursts to a base: one each minute in the mean, that fades within ten
// seconds, and is half as high as the base times a Pareto number of the exponent alpha, at
// most 20 times as high.
func paretoBursts(base, alpha float64) rate {
	const every, fades, highest = 60, 10, 20
	burst, next := 0.0, 0.0
	return func(at float64, random *rand.Rand) float64 {
		if at == 0 {
			burst, next = 0, every*random.ExpFloat64()
		}
		for at >= next {
			burst += min(math.Pow(1-random.Float64(), -1/alpha)/2, highest)
			next += every * random.ExpFloat64()
		}
		level := base * (1 + burst)
		burst *= math.Exp(-1.0 / fades)
		return level
	}
}
