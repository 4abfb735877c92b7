package arrivals

import (
	"math"
	"slices"
)

// leastInBin is how many arrivals a bin is expected to hold at least: in
// smaller ones chance alone makes peaks.
const leastInBin = 100

// PeakToMedian is the ratio of the largest to the middle count of a window,
// over bins that hold at least 100 expected arrivals, with the ratio that a
// Poisson stream of the same rate would show divided out. It is 1 for a flat
// stream and for one that is too thin to judge. A middle count below one is taken as one,
// so that a burst with nothing around it has a large and finite ratio. The window
// holds counts of equal steps.
func PeakToMedian(window []float64) float64 {
	return peakToMedian(window, binSteps(window))
}

// binSteps is how many steps make a bin of at least 100 expected arrivals.
func binSteps(window []float64) int {
	sum := 0.0
	for _, v := range window {
		sum += v
	}
	if sum <= 0 {
		return max(1, len(window))
	}
	return max(1, int(math.Ceil(leastInBin*float64(len(window))/sum)))
}

func peakToMedian(window []float64, steps int) float64 {
	bins := Bins(window, steps)
	if len(bins) < 2 {
		return 1
	}
	middle := max(1, Median(bins))
	return max(1, slices.Max(bins)/middle/poissonPeak(middle, len(bins)))
}

// Bins adds up whole bins of steps steps each; what is left at the start of the
// window, being the oldest, is dropped.
func Bins(window []float64, steps int) []float64 {
	out := make([]float64, len(window)/steps)
	rest := window[len(window)-len(out)*steps:]
	for i := range out {
		for _, v := range rest[i*steps : (i+1)*steps] {
			out[i] += v
		}
	}
	return out
}

// Median is the middle value; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// poissonPeak is the largest of n counts of a Poisson stream relative to their
// mean, as expected: the normal quantile of n/(n+1), as bins hold enough for a
// Poisson count to be normal.
func poissonPeak(mean float64, n int) float64 {
	p := float64(n) / float64(n+1)
	return 1 + math.Sqrt2*math.Erfinv(2*p-1)/math.Sqrt(mean)
}
