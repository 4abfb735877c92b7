package arrivals_test

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
)

// steps are periods of 1200 s at 100 queries a second, of which the last 60 s
// have 300. In windows of 600 s the load is dynamic from the start of a burst
// until 600 s after it.
func steps(periods int) arrivals.Trace {
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

func TestStaticLeftOnASteppedTrace(t *testing.T) {
	const window, every = 10 * time.Minute, 10 * time.Second
	left := steps(3).StaticLeft(window, every, 1.5)
	if len(left) != 361 {
		t.Fatalf("%d moments of 3600 s, want 361", len(left))
	}
	for i, got := range left {
		at := i * 10
		want := arrivals.Unknown
		switch in := at % 1200; {
		case in > 1140 || at >= 1200 && in < 600:
			want = 0 // a burst is in the window
		case in <= 1140:
			// the first bin of a burst is in the window at the next moment
			want = time.Duration(1150-in) * time.Second
		}
		if got != want {
			t.Errorf("at %d s: %v, want %v", at, got, want)
		}
	}
}

func TestStaticLeftBeyondTheEnd(t *testing.T) {
	flat := arrivals.Trace{Step: time.Minute, Counts: []float64{6000, 6000, 6000, 6100, 6000}}
	for i, got := range flat.StaticLeft(2*time.Minute, 30*time.Second, 1.5) {
		if got != arrivals.Unknown {
			t.Errorf("moment %d of a flat trace: %v", i, got)
		}
	}
	up := arrivals.Trace{Step: time.Minute, Counts: []float64{6000, 6000, 6000, 60000, 60000}}
	left := up.StaticLeft(2*time.Minute, time.Minute, 1.5)
	for i, want := range []time.Duration{4 * time.Minute, 3 * time.Minute, 2 * time.Minute, time.Minute, 0, arrivals.Unknown} {
		if left[i] != want {
			t.Errorf("minute %d of a step: %v, want %v", i, left[i], want)
		}
	}
}
