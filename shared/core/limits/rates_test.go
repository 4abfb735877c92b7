package limits

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// However an owner asks, in no span of time does it get more than the rate times
// the span and one second's burst; and waiting as long as the answer says suffices.
func TestRatesHoldInEverySpan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		perSecond := rapid.Float64Range(0.1, 50).Draw(rt, "rate")
		var r Rates
		now, taken := time.Unix(1000, 0), []time.Time{}
		for range rapid.IntRange(1, 200).Draw(rt, "asked") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(rt, "gap ms")) * time.Millisecond)
			wait, ok := r.Take(now, "ann", perSecond)
			if ok {
				taken = append(taken, now)
				continue
			}
			if wait <= 0 {
				rt.Fatalf("refused, and to come again after %v", wait)
			}
			now = now.Add(wait)
			if _, ok := r.Take(now, "ann", perSecond); !ok {
				rt.Fatalf("refused after waiting the %v that it was told", wait)
			}
			taken = append(taken, now)
		}
		for i := range taken {
			for j := i; j < len(taken); j++ {
				most := perSecond*taken[j].Sub(taken[i]).Seconds() + math.Max(1, perSecond) + 1e-6
				if n := j - i + 1; float64(n) > most+1 {
					rt.Fatalf("%d within %v at %g a second", n, taken[j].Sub(taken[i]), perSecond)
				}
			}
		}
	})
}

func TestOneOwnersRateIsNotAnothers(t *testing.T) {
	var r Rates
	now := time.Unix(1000, 0)
	for range 10 {
		r.Take(now, "greedy", 1)
	}
	if _, ok := r.Take(now, "modest", 1); !ok {
		t.Error("the other owner is refused")
	}
	if wait, ok := r.Take(now, "greedy", 1); ok || wait != time.Second {
		t.Errorf("the greedy one: %v, wait %v", ok, wait)
	}
}

func TestOwnersWithFullBucketsAreForgotten(t *testing.T) {
	var r Rates
	now := time.Unix(1000, 0)
	for i := range 10_000 {
		now = now.Add(100 * time.Millisecond)
		r.Take(now, fmt.Sprint(i), 1)
	}
	if len(r.next) > 200 {
		t.Errorf("%d owners are kept", len(r.next))
	}
}
