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
	Name string
	rate func(at float64, random *rand.Rand) float64 // queries a second at a second; asked in the order of time
}

// Adversaries lists the loads: square waves faster and slower than a worker starts, spikes by
// a clock, a flash crowd of 20 times the base, ramps, bursts of any height (Pareto), and
// loads of less than one worker.
func Adversaries() []Adversary {
	var out []Adversary
	for _, period := range []float64{20, 60, 200, 600, 1200} {
		out = append(out, Adversary{fmt.Sprintf("square wave of %g s", period), squareWave(20, 80, period)})
	}
	out = append(out,
		Adversary{"spikes every 10 minutes", spikes(30, 10, 600, 30)},
		Adversary{"flash crowd", flashCrowd(10, 20, 1800, 300)},
		Adversary{"off and on, 900 s each", squareWave(0, 60, 1800)},
		Adversary{"step up", step(5, 100, 1800)},
		Adversary{"step down", step(100, 5, 1800)},
		Adversary{"ramp up", ramp(5, 100, 1500, 2700)},
		Adversary{"ramp down", ramp(100, 5, 1500, 2700)},
		Adversary{"Pareto bursts, α 1.5", paretoBursts(30, 1.5)},
		Adversary{"Pareto bursts, α 1.2", paretoBursts(30, 1.2)},
	)
	for _, rate := range []float64{0.05, 0.5, 2, 5} {
		out = append(out, Adversary{fmt.Sprintf("constant %g/s", rate), func(float64, *rand.Rand) float64 { return rate }})
	}
	return out
}

// Trace is the load in steps of a second, with Poisson counts. A seed gives the same trace
// each time.
func (a Adversary) Trace(length time.Duration, seed uint64) arrivals.Trace {
	random := rand.New(rand.NewPCG(seed, 15))
	t := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(length/time.Second))}
	for i := range t.Counts {
		t.Counts[i] = arrivals.PoissonCount(a.rate(float64(i), random), random)
	}
	return t
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

func step(before, after, at float64) rate {
	return func(now float64, _ *rand.Rand) float64 {
		if now < at {
			return before
		}
		return after
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

func flashCrowd(base, factor, from, fades float64) rate {
	return func(at float64, _ *rand.Rand) float64 {
		if at < from {
			return base
		}
		return base * (1 + (factor-1)*math.Exp((from-at)/fades))
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
