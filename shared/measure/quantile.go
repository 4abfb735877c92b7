package measure

import (
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Percentiles returns those of the times, in milliseconds to 0.1 µs. It sorts
// the times, of which there must be one at least.
func Percentiles(times []time.Duration) profile.Percentiles {
	slices.Sort(times)
	at := func(q float64) float64 { return ms(times[rank(q, len(times))]) }
	return profile.Percentiles{P50: at(0.5), P95: at(0.95), P99: at(0.99)}
}

// summarize returns the percentiles of the times, in milliseconds, and their
// 95 % confidence intervals. It sorts the times.
func summarize(times []time.Duration) (profile.Percentiles, profile.Confidence) {
	percentiles := Percentiles(times)
	between := func(q float64) profile.Interval {
		low, high := confidenceRanks(q, len(times))
		return profile.Interval{ms(times[low]), ms(times[high])}
	}
	return percentiles, profile.Confidence{P50: between(0.5), P95: between(0.95), P99: between(0.99)}
}

// rank is the place of a quantile among n sorted values: the least value that
// is no less than that share of them.
func rank(q float64, n int) int { return min(n-1, max(0, int(math.Ceil(q*float64(n)))-1)) }

// confidenceRanks are the places between which the true quantile lies with
// 95 % confidence, whatever the distribution: the number of values below it is
// binomial, here by its normal approximation.
func confidenceRanks(q float64, n int) (low, high int) {
	mean, spread := q*float64(n), 1.96*math.Sqrt(float64(n)*q*(1-q))
	low = int(math.Floor(mean-spread)) - 1
	high = int(math.Ceil(mean + spread))
	return max(0, low), min(n-1, high)
}

func ms(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)*10) / 10000 // to 0.1 µs
}
