package simulate_test

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// bursts is 100 queries a second with 300 for the last minute of each twenty:
// in windows of ten minutes static for 550 s of each period, from 600 s after
// a burst to the next.
func bursts(periods int) arrivals.Trace {
	t := arrivals.Trace{Step: time.Second}
	for i := range 1200 * periods {
		rate := 100.0
		if i%1200 >= 1140 {
			rate = 300
		}
		t.Counts = append(t.Counts, rate)
	}
	return t
}

// fixedPlan is a scheme that says how long static load lasts.
type fixedPlan struct {
	left func(at time.Duration) float64
}

func (fixedPlan) Name() string { return "told" }

func (fixedPlan) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.Never, procurement.Never
}

func (s fixedPlan) Decide(now time.Time, _ procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	at := now.Sub(time.Unix(0, 0).UTC())
	return procurement.Decision{Workers: 4, StaticSeconds: s.left(at)}, st
}

func score(t *testing.T, s procurement.Scheme, tr arrivals.Trace, change func(*simulate.Config)) *simulate.StaticEstimate {
	t.Helper()
	c := config(s, tr)
	c.MetricDelay = 0
	if change != nil {
		change(&c)
	}
	w := simulate.WatchStatic(&c)
	run(t, c)
	return w.Score()
}

// An estimate that knows the trace has no error, one that is off by a minute
// has that of a minute.
func TestTheScoreOfAnEstimateIsItsError(t *testing.T) {
	tr := bursts(4)
	left := tr.StaticLeft(10*time.Minute, 10*time.Second, 1.5)
	for _, off := range []float64{0, 60} {
		got := score(t, fixedPlan{func(at time.Duration) float64 {
			return max(0, left[at/(10*time.Second)].Seconds()) + off
		}}, tr, nil)
		if got.MedianError != off || got.P90Error != off || got.MedianEstimate != got.MedianTrue+off {
			t.Errorf("off by %v s: %+v", off, *got)
		}
	}
}

// On steps static load lasts 550 s, over and over. The monitor learns that: its
// estimate is within a fifth of it, and errs by half of it in the median, as
// it has no memory of how long the phase has lasted already.
func TestParagonsEstimateOnSteps(t *testing.T) {
	const lasts = 550
	got := score(t, must(procurement.Get("paragon")), bursts(16), func(c *simulate.Config) { c.From, c.Warmup = 2*time.Hour, 2*time.Hour })
	if math.Abs(got.MedianEstimate-lasts) > lasts/5 || math.Abs(got.MedianTrue-lasts/2) > 20 {
		t.Errorf("an estimate of %.0f s and a truth of %.0f s, want %d and half of it", got.MedianEstimate, got.MedianTrue, lasts)
	}
	if got.MedianError > 0.6*lasts || got.P90Error > lasts || got.P90Error < got.MedianError {
		t.Errorf("errors of %.0f s in the median and %.0f s at p90", got.MedianError, got.P90Error)
	}
	t.Logf("%+v", *got)
}

// What does not end within the trace counts as open, and a scheme without a
// monitor has no score.
func TestStaticLoadWithoutAnEnd(t *testing.T) {
	flat := generated(t, "constant", 60)
	got := score(t, must(procurement.Get("paragon")), flat, nil)
	if got.Open != got.Decisions || got.Open < 300 || got.TooShort == 0 || got.TooShort == got.Open || got.MedianError != 0 {
		t.Errorf("%+v", *got)
	}
	if none := score(t, must(procurement.Get("hedged")), flat, nil); none != nil {
		t.Errorf("hedged has %+v", *none)
	}
}
