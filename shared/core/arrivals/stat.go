package arrivals

import (
	"slices"
	"time"
)

// Stat describes a trace, in queries a second.
type Stat struct {
	Seconds float64 `json:"seconds"`
	Queries float64 `json:"queries"`
	Mean    float64 `json:"mean"`
	Median  float64 `json:"median"` // over the trace's own steps
	Peak    float64 `json:"peak"`   // likewise
	// PeakToMedian is Peak to Median as they stand, Poisson's own peak in it.
	PeakToMedian float64      `json:"peak_to_median"`
	Windows      []WindowStat `json:"windows"`
}

// WindowStat is the peak-to-median ratio over windows of one length, Poisson's
// own peak divided out.
type WindowStat struct {
	WindowSeconds float64 `json:"window_seconds"`
	BinSeconds    float64 `json:"bin_seconds"` // of at least 100 expected arrivals, by the trace's mean
	Windows       int     `json:"windows"`
	Median        float64 `json:"median"` // of the windows' ratios
	Highest       float64 `json:"highest"`
	// Dynamic is the share of the windows whose ratio is above 1.5.
	Dynamic float64 `json:"dynamic_share"`
}

// dynamicRatio is the ratio that the paper takes for dynamic load: a peak 50 %
// above the median.
const dynamicRatio = 1.5

// Describe measures a trace over windows of each length. A window that is not
// longer than two steps is left out.
func (t Trace) Describe(windows ...time.Duration) Stat {
	step := t.Step.Seconds()
	s := Stat{Seconds: t.Duration().Seconds(), Queries: t.Total()}
	s.Mean = s.Queries / s.Seconds
	s.Median, s.Peak = Median(t.Counts)/step, slices.Max(t.Counts)/step
	if s.Median > 0 {
		s.PeakToMedian = s.Peak / s.Median
	}
	bin := binSteps(t.Counts)
	for _, w := range windows {
		n := int(w / t.Step)
		if n < 2 || n > len(t.Counts) {
			continue
		}
		s.Windows = append(s.Windows, t.window(n, bin))
	}
	return s
}

// window measures windows of n steps that follow each other, in bins of bin
// steps at least: a thin window's own are longer.
func (t Trace) window(n, bin int) WindowStat {
	out := WindowStat{WindowSeconds: float64(n) * t.Step.Seconds(), BinSeconds: float64(bin) * t.Step.Seconds()}
	var ratios []float64
	for at := 0; at+n <= len(t.Counts); at += n {
		r := PeakToMedian(t.Counts[at : at+n])
		ratios = append(ratios, r)
		if r > dynamicRatio {
			out.Dynamic++
		}
	}
	out.Windows = len(ratios)
	out.Dynamic /= float64(len(ratios))
	out.Median, out.Highest = Median(ratios), slices.Max(ratios)
	return out
}
