//go:build !race

package evaluate_test

// Two days of each trace in every second, which nothing else reads at the same time.

import (
	"math"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// recordedAs names the recorded trace that a made-up one is like.
var recordedAs = map[string]struct {
	file  string
	scale float64
}{
	"berkeley-like": {"berkeley.csv", 20}, "wits-like": {"wits.csv", 0.5},
	"twitter-like": {"twitter_may25.csv", 1}, "wiki-like": {"wikipedia_limbo_hourly.csv", 1},
}

// traces are a made-up one, and the recorded one where it is at hand.
func traces(t *testing.T, name string) map[string]arrivals.Trace {
	t.Helper()
	made, err := evaluate.Lookalike(name, 48*time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]arrivals.Trace{name: made}
	of := recordedAs[name]
	if trace, ok := recorded(t, of.file, of.scale); ok {
		out[of.file] = trace
	}
	return out
}

// The peak is more than half above the median on Berkeley, WITS and Twitter and
// not within an hour of Wikipedia: of Berkeley and WITS within an hour, of
// Twitter within a day and not within an hour.
func TestPeakToMedianWhereItIsClaimed(t *testing.T) {
	for _, c := range []struct {
		like      string
		hour, day bool
	}{{"berkeley-like", true, true}, {"wits-like", true, true}, {"twitter-like", false, true}, {"wiki-like", false, false}} {
		for name, trace := range traces(t, c.like) {
			if got := evaluate.Hours(trace).PeakToMedian; (got > 1.5) != c.hour {
				t.Errorf("%s: %.2f in the middle one of its hours", name, got)
			}
			day := trace.Describe(min(24*time.Hour, trace.Duration())).Windows[0].Median
			if (day > 1.5) != c.day {
				t.Errorf("%s: %.2f in the middle one of its days", name, day)
			}
		}
	}
}

// The made-up traces move as the recorded ones do, and the figures next to them
// are those of the recorded ones, where these are at hand.
func TestLookalikes(t *testing.T) {
	for _, name := range evaluate.Lookalikes() {
		want, ok := evaluate.Recorded(name)
		if !ok {
			t.Fatalf("nothing is recorded of %s", name)
		}
		for which, trace := range traces(t, name) {
			got, within := evaluate.Hours(trace), 0.005
			if which == name {
				within = 0.2
			}
			near := func(what string, got, want float64) {
				if math.Abs(got-want) > within*want && want > 0 {
					t.Errorf("%s: %s is %.4g, of the recorded one %.4g", which, what, got, want)
				}
			}
			near("queries/s", got.PerSecond, want.PerSecond)
			near("peak to median", got.PeakToMedian, want.PeakToMedian)
			for i, s := range want.Spread {
				near("a spread", got.Spread[i], s)
			}
		}
	}
}

func TestInsideAStep(t *testing.T) {
	c := comparison.Case{Trace: arrivals.Trace{Step: time.Hour, Counts: make([]float64, 9)}, From: time.Hour, For: time.Hour, Warmup: 20 * time.Minute}
	if got := evaluate.InsideAStep(c); got.From != time.Hour+20*time.Minute || got.For != 40*time.Minute {
		t.Errorf("hours: %s for %s", got.From, got.For)
	}
	c.Trace.Step = time.Second
	if got := evaluate.InsideAStep(c); got.From != c.From || got.For != c.For {
		t.Errorf("seconds: %s for %s", got.From, got.For)
	}
}
