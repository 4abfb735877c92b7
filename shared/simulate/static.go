package simulate

import (
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

// StaticEstimate is how long paragon's monitor took static load to last, and
// how long it did: until the peak-to-median ratio of the trace's own windows
// passed the threshold, known when the trace has been played. Figures are over
// the decisions in static load whose end the trace shows.
type StaticEstimate struct {
	Decisions int `json:"decisions"` // in static load, after the warm-up
	// Open is how many of them have no end in the trace, TooShort those of the
	// open whose estimate the rest of the trace outlasts.
	Open     int `json:"open"`
	TooShort int `json:"open_and_too_short"`

	MedianEstimate float64 `json:"median_estimate_seconds"`
	MedianTrue     float64 `json:"median_true_seconds"`
	MedianError    float64 `json:"median_error_seconds"` // of the differences, either way
	P90Error       float64 `json:"p90_error_seconds"`
}

// StaticWatch collects the estimates of a run.
type StaticWatch struct {
	cfg       *Config
	at        []time.Duration
	estimates []float64 // seconds
}

// WatchStatic has a configuration's decisions watched for their estimates,
// besides who watches already.
func WatchStatic(c *Config) *StaticWatch {
	w := &StaticWatch{cfg: c}
	before := c.Watch
	c.Watch = func(m Moment) {
		if m.Decision.StaticSeconds > 0 && m.At >= c.From && m.Pool == 0 {
			w.at = append(w.at, m.At)
			w.estimates = append(w.estimates, m.Decision.StaticSeconds)
		}
		if before != nil {
			before(m)
		}
	}
	return w
}

// Score compares the estimates of the run with the truth; nil when the scheme
// made none.
func (w *StaticWatch) Score() *StaticEstimate {
	if len(w.at) == 0 {
		return nil
	}
	every := max(1, time.Duration(w.cfg.Settings.TickSeconds)) * time.Second
	window := time.Duration(w.cfg.Settings.PeakWindowSeconds) * time.Second
	left := w.cfg.Trace.StaticLeft(window, every, w.cfg.Settings.PeakToMedian)
	out := &StaticEstimate{Decisions: len(w.at)}
	var estimates, truths, errors []float64
	for i, at := range w.at {
		k := min(int(at/every), len(left)-1)
		if left[k] == arrivals.Unknown {
			out.Open++
			if (w.cfg.Trace.Duration() - at).Seconds() > w.estimates[i] {
				out.TooShort++
			}
			continue
		}
		truth := left[k].Seconds()
		estimates, truths = append(estimates, w.estimates[i]), append(truths, truth)
		errors = append(errors, max(truth-w.estimates[i], w.estimates[i]-truth))
	}
	if len(errors) > 0 {
		slices.Sort(errors)
		out.MedianEstimate, out.MedianTrue, out.MedianError = arrivals.Median(estimates), arrivals.Median(truths), arrivals.Median(errors)
		out.P90Error = stat.Quantile(0.9, stat.Empirical, errors, nil)
	}
	return out
}
