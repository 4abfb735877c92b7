package arrivals

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Shape is a load that is made up: its mean rate at each second.
type Shape struct {
	// Kind is constant, step, diurnal, flash_crowd or mmpp.
	Kind string
	// Rate is the base in queries a second, Peak the other level: after the
	// step, at noon, in the crowd, or of a Markov-modulated process' busy state.
	Rate, Peak float64
	// Period is a day of a diurnal load, the mean stay in a state of a
	// Markov-modulated one, and how long a flash crowd takes to fade.
	Period time.Duration
	// At is when the step or the crowd comes.
	At time.Duration
}

// Kinds lists the shapes.
func Kinds() []string { return []string{"constant", "step", "diurnal", "flash_crowd", "mmpp"} }

// Generate makes a trace of one-second steps whose counts are Poisson at the
// shape's rate. The same random stream gives the same trace.
func Generate(s Shape, length time.Duration, random *rand.Rand) (Trace, error) {
	rate, err := s.rates(random)
	if err != nil {
		return Trace{}, err
	}
	n := int(length / time.Second)
	if n < 1 || n > maxSteps {
		return Trace{}, fmt.Errorf("generate: a trace lasts 1 to %d s, not %s", maxSteps, length)
	}
	t := Trace{Step: time.Second, Counts: make([]float64, n)}
	for i := range t.Counts {
		t.Counts[i] = PoissonCount(rate(float64(i)), random)
	}
	return t, nil
}

// rates returns the rate at a second; it is asked in the order of time.
func (s Shape) rates(random *rand.Rand) (func(at float64) float64, error) {
	if !(s.Rate >= 0 && s.Rate <= maxCount) || !(s.Peak >= 0 && s.Peak <= maxCount) {
		return nil, fmt.Errorf("generate: rates are 0 to %.0f a second, not %v and %v", float64(maxCount), s.Rate, s.Peak)
	}
	if s.Period <= 0 && s.Kind != "constant" && s.Kind != "step" {
		return nil, fmt.Errorf("generate: %s needs a period", s.Kind)
	}
	if s.Kind == "flash_crowd" && s.Peak < s.Rate {
		return nil, fmt.Errorf("generate: a flash crowd has a peak of at least its base rate, %v a second, not %v", s.Rate, s.Peak)
	}
	comes, period := s.At.Seconds(), s.Period.Seconds()
	switch s.Kind {
	case "constant":
		return func(float64) float64 { return s.Rate }, nil
	case "step":
		return func(at float64) float64 {
			if at < comes {
				return s.Rate
			}
			return s.Peak
		}, nil
	case "diurnal":
		return func(at float64) float64 {
			return s.Rate + (s.Peak-s.Rate)*(1-math.Cos(2*math.Pi*at/period))/2
		}, nil
	case "flash_crowd":
		return func(at float64) float64 {
			if at < comes {
				return s.Rate
			}
			return s.Rate + (s.Peak-s.Rate)*math.Exp((comes-at)/period)
		}, nil
	case "mmpp":
		return s.modulated(random), nil
	}
	return nil, fmt.Errorf("generate: %q is none of %v", s.Kind, Kinds())
}

// modulated is the rate of a Markov-modulated Poisson process of two states.
func (s Shape) modulated(random *rand.Rand) func(float64) float64 {
	busy, until := false, random.ExpFloat64()*s.Period.Seconds()
	return func(at float64) float64 {
		for at >= until {
			busy = !busy
			until += random.ExpFloat64() * s.Period.Seconds()
		}
		if busy {
			return s.Peak
		}
		return s.Rate
	}
}

// PoissonCount draws how many arrivals a step with that mean has; a large mean
// is drawn from the normal distribution that it comes close to.
func PoissonCount(mean float64, random *rand.Rand) float64 {
	if !positive(mean) {
		return 0
	}
	if mean > 500 {
		return max(0, math.Round(mean+math.Sqrt(mean)*random.NormFloat64()))
	}
	n, product, least := 0, random.Float64(), math.Exp(-mean)
	for product > least {
		n++
		product *= random.Float64()
	}
	return float64(n)
}

// Superposed adds shifted copies of a trace, evenly spread over its length and
// wrapped around: the same mean as Scaled, and less of its burstiness, as the
// copies' bursts fall at different times.
func (t Trace) Superposed(copies int) (Trace, error) {
	if copies < 1 || copies > 1000 {
		return Trace{}, fmt.Errorf("superpose: the number of copies is %d, and must be within 1 to 1000", copies)
	}
	out := Trace{Step: t.Step, Counts: make([]float64, len(t.Counts))}
	for k := range copies {
		shift := len(t.Counts) * k / copies
		for i := range out.Counts {
			out.Counts[i] += t.Counts[(i+shift)%len(t.Counts)]
		}
	}
	return out, nil
}
