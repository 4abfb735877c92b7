package workload

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Whatever comes in whatever order, the work ahead is never negative, only
// shrinks between sends, and a view counts what was sent after it was taken.
func TestEstimateInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Unix(1000, 0)
		var e Estimate
		e.Observe(placement.Pool{Runners: rapid.IntRange(0, 8).Draw(rt, "runners"), At: now})
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 500).Draw(rt, "ms")) * time.Millisecond)
			before := e.AheadMS(now)
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				e.Sent(now, 100)
				if got := e.AheadMS(now); got != before+100 {
					rt.Fatalf("sent 100 ms on %v: %v ahead", before, got)
				}
			case 1:
				late := now.Add(-time.Duration(rapid.IntRange(0, 300).Draw(rt, "lag")) * time.Millisecond)
				e.Observe(placement.Pool{Runners: rapid.IntRange(0, 8).Draw(rt, "runners"), StrictMS: 50, At: late})
			case 2:
				later := e.AheadMS(now.Add(time.Second))
				if later > before {
					rt.Fatalf("work grew from %v to %v by waiting", before, later)
				}
				now = now.Add(time.Second)
			}
			if e.AheadMS(now) < 0 {
				rt.Fatal("negative work ahead")
			}
		}
	})
}

func TestViewCountsWhatWasSentAfterIt(t *testing.T) {
	at := time.Unix(1000, 0)
	var e Estimate
	e.Observe(placement.Pool{Runners: 2, At: at})
	e.Sent(at.Add(10*time.Millisecond), 400)
	e.Sent(at.Add(30*time.Millisecond), 400)
	e.Observe(placement.Pool{Runners: 2, StrictMS: 390, At: at.Add(20 * time.Millisecond)})
	// 390 at 20 ms, 20 ms worked off by 30 ms, then 400 more.
	if got := e.AheadMS(at.Add(30 * time.Millisecond)); got != 390-20+400 {
		t.Errorf("%v ms ahead, want 770", got)
	}
	e.Observe(placement.Pool{Runners: 9, At: at}) // an older view
	if e.Runners() != 2 {
		t.Error("an older view replaced a newer one")
	}
}

// A clock that was set back must not leave the last view of before in force.
func TestEstimateAdaptsToAClockSetBack(t *testing.T) {
	at := time.Unix(10000, 0)
	var e Estimate
	e.Observe(placement.Pool{Runners: 2, At: at})
	e.Sent(at.Add(time.Second), 5000)
	back := at.Add(-time.Hour)
	e.Observe(placement.Pool{Runners: 4, StrictMS: 100, At: back})
	if got := e.AheadMS(back.Add(10 * time.Millisecond)); e.Runners() != 4 || got != 60 {
		t.Errorf("%d runners and %v ms ahead, want 4 and 60", e.Runners(), got)
	}
}

func TestEstimateRemembersBoundedly(t *testing.T) {
	var e Estimate
	at := time.Unix(0, 0)
	for range 3 * keepSent {
		e.Sent(at, 1)
	}
	if len(e.sent) > keepSent {
		t.Errorf("%d sends remembered", len(e.sent))
	}
	if got := e.AheadMS(at); got != 3*keepSent {
		t.Errorf("%v ms ahead, want %d", got, 3*keepSent)
	}
}

func BenchmarkPlace(b *testing.B) {
	var e Estimate
	now := time.Unix(1000, 0)
	e.Observe(placement.Pool{Runners: 8, At: now})
	a := placement.Ask{Class: query.Strict, BudgetMS: 1000, ServiceMS: 100, OverflowAllowed: true}
	for b.Loop() {
		now = now.Add(time.Millisecond)
		if placement.Place(a, e.Runners(), e.AheadMS(now)).Route == placement.ToWork {
			e.Sent(now, 100)
		}
	}
}
