package arrivals

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Times yields when queries arrive, counted from the start, in order.
type Times = iter.Seq[time.Duration]

// Poisson yields arrivals at a mean rate a second for a length of time, the
// gaps between them exponential.
func Poisson(perSecond float64, length time.Duration, random *rand.Rand) Times {
	return func(yield func(time.Duration) bool) {
		poisson(0, length, perSecond, random, yield)
	}
}

// Even yields arrivals at a rate a second for a length of time, the gaps
// between them all alike, the first at zero.
func Even(perSecond float64, length time.Duration) Times {
	return func(yield func(time.Duration) bool) {
		if !positive(perSecond) {
			return
		}
		for i := 0; ; i++ {
			at := time.Duration(float64(i) / perSecond * float64(time.Second))
			if at >= length || !yield(at) {
				return
			}
		}
	}
}

// maxScatter bounds the memory that one second takes: above it the count of a
// Poisson process at that rate is as good as the count itself.
const maxScatter = 1e6

// Times yields the arrivals of the trace. Inside a second its count is kept
// and falls anywhere in it (a fraction, of a scaled trace, is one arrival more
// with that probability); a longer step is a Poisson process at its mean rate.
func (t Trace) Times(random *rand.Rand) Times {
	return func(yield func(time.Duration) bool) {
		for i, count := range t.Counts {
			start, more := time.Duration(i)*t.Step, true
			if t.Step <= time.Second && count <= maxScatter {
				more = scatter(start, t.Step, count, random, yield)
			} else {
				more = poisson(start, t.Step, count/t.Step.Seconds(), random, yield)
			}
			if !more {
				return
			}
		}
	}
}

// scatter yields count arrivals anywhere in a step, in order, and reports
// whether more are wanted. That is a Poisson process whose count is known.
func scatter(start, step time.Duration, count float64, random *rand.Rand, yield func(time.Duration) bool) bool {
	whole, part := math.Modf(count)
	n := int(whole)
	if part > 0 && random.Float64() < part {
		n++
	}
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = start + time.Duration(random.Int64N(int64(step)))
	}
	slices.Sort(at)
	for _, a := range at {
		if !yield(a) {
			return false
		}
	}
	return true
}

// poisson yields a Poisson process over a step and reports whether more are wanted.
func poisson(start, step time.Duration, perSecond float64, random *rand.Rand, yield func(time.Duration) bool) bool {
	if !positive(perSecond) {
		return true
	}
	end := step.Seconds()
	for at := random.ExpFloat64() / perSecond; at < end; at += random.ExpFloat64() / perSecond {
		if !yield(start + time.Duration(at*float64(time.Second))) {
			return false
		}
	}
	return true
}

// positive is false also for NaN and infinity, which would never end.
func positive(perSecond float64) bool { return perSecond > 0 && !math.IsInf(perSecond, 1) }
