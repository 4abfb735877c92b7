package evaluate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// Load describes the arrivals of a window.
type Load struct {
	PerSecond    float64 `json:"per_second"` // in the mean
	PeakToMedian float64 `json:"peak_to_median"`
	// Spread is the standard deviation relative to the mean of the counts of bins of
	// SpreadSeconds; 0 where the trace's own steps are longer.
	Spread [4]float64 `json:"spread"`
}

// spreadSeconds are the bins of Load.Spread.
var spreadSeconds = [4]int{1, 10, 60, 300}

func loadOf(t arrivals.Trace) Load {
	l := Load{PerSecond: t.Total() / t.Duration().Seconds(), PeakToMedian: arrivals.PeakToMedian(t.Counts)}
	for i, seconds := range spreadSeconds {
		if n := int(time.Duration(seconds) * time.Second / t.Step); n > 0 {
			l.Spread[i] = spread(arrivals.Bins(t.Counts, n))
		}
	}
	return l
}

// spread is the standard deviation relative to the mean.
func spread(values []float64) float64 {
	mean, square := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		square += (v - mean) * (v - mean) / float64(len(values))
	}
	return comparison.Ratio(math.Sqrt(square), mean)
}

// Hours is the median of a trace's hours, in each figure.
func Hours(t arrivals.Trace) Load {
	var rate, peak []float64
	var spreads [len(spreadSeconds)][]float64
	for at := time.Duration(0); at+time.Hour <= t.Duration(); at += time.Hour {
		w, err := t.Window(at, time.Hour)
		if err != nil {
			break
		}
		l := loadOf(w)
		rate, peak = append(rate, l.PerSecond), append(peak, l.PeakToMedian)
		for i := range spreads {
			spreads[i] = append(spreads[i], l.Spread[i])
		}
	}
	out := Load{PerSecond: arrivals.Median(rate), PeakToMedian: arrivals.Median(peak)}
	for i := range spreads {
		out.Spread[i] = arrivals.Median(spreads[i])
	}
	return out
}

// recorded has the median of the hours of the traces that the made-up ones are
// like: berkeley x20, wits x0.5, twitter_may25 x1 and wikipedia_limbo_hourly,
// whose hours are one step each.
var recorded = map[string]Load{
	"berkeley-like": {149.4, 2.622, [4]float64{0.4626, 0.2234, 0.1365, 0.0882}},
	"wits-like":     {121.1, 2.715, [4]float64{0.3234, 0.2299, 0.1505, 0.1012}},
	"twitter-like":  {47.88, 1.1449, [4]float64{0.1651, 0.0822, 0.0667, 0.0466}},
	"wiki-like":     {PerSecond: 437.3, PeakToMedian: 1},
}

// Recorded is the load that a made-up trace is like, the median of its hours.
func Recorded(name string) (Load, bool) {
	l, ok := recorded[name]
	return l, ok
}

// writePeaks writes the peak-to-median ratio by sampling window, of the whole
// traces.
func writePeaks(b *strings.Builder, cases []comparison.Case) {
	b.WriteString("\n## Peak to median by sampling window\n\nFor this table, each whole trace is divided into consecutive windows. The table has the peak to median of these windows. The paper calls load\n" +
		"dynamic if its peak to median is above 1.5.\n\n")
	table(b, 1, "trace", "length of a window", "length of a bin", "windows", "peak to median, median of the windows", "peak to median, highest of the windows", "windows above 1.5")
	for _, c := range cases {
		whole := c.Trace.Duration()
		windows := slices.Compact([]time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, whole})
		for _, w := range c.Trace.Describe(windows...).Windows {
			name := fmt.Sprintf("%.0f s", w.WindowSeconds)
			if w.WindowSeconds == whole.Seconds() {
				name = "whole trace, " + name
			}
			fmt.Fprintf(b, "| %s | %s | %.0f s | %d | %.2f | %.2f | %.0f %% |\n", c.Name, name, w.BinSeconds, w.Windows, w.Median, w.Highest, 100*w.Dynamic)
		}
	}
}
