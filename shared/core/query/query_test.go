package query

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestClassDependsOnTheBoundUnlessNamed(t *testing.T) {
	for _, tc := range []struct {
		name string
		need Need
		want Class
	}{
		{"tight bound", Need{Constraints: Constraints{LatencyMS: 500}}, Strict},
		{"bound at the line", Need{Constraints: Constraints{LatencyMS: 2000}}, Relaxed},
		{"no bound", Need{}, Relaxed},
		{"named strict", Need{Class: Strict}, Strict},
		{"named relaxed", Need{Class: Relaxed, Constraints: Constraints{LatencyMS: 1}}, Relaxed},
	} {
		if got := tc.need.ClassOf(2000); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestExpiryIsAMinuteOrThreeBounds(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if got := ExpiresAt(at, 500).Sub(at); got != time.Minute {
		t.Errorf("500 ms bound: expires after %v, want 1m", got)
	}
	if got := ExpiresAt(at, 100_000).Sub(at); got != 300*time.Second {
		t.Errorf("100 s bound: expires after %v, want 5m", got)
	}
}

// A trail must stay below about 1 KB whatever is written into it, keep how the
// query was placed and what happened last, and never change its receiver.
func TestTrailIsBoundedAndKeepsItsEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		whys := rapid.SliceOfN(rapid.String(), 1, 40).Draw(rt, "whys")
		var trail Trail
		for i, why := range whys {
			before := len(trail)
			next := trail.Add(Step{Event: StepRetried, Where: "w", Why: why, At: time.Unix(int64(i), 0)})
			if len(trail) != before {
				rt.Fatal("Add changed its receiver")
			}
			trail = next
		}
		if len(trail) > maxTrail {
			rt.Fatalf("%d steps", len(trail))
		}
		if trail[0].At.Unix() != 0 || trail[len(trail)-1].At.Unix() != int64(len(whys)-1) {
			rt.Fatal("the first or the last step is lost")
		}
		for _, s := range trail {
			if len(s.Why) > maxWhy {
				rt.Fatalf("reason of %d bytes", len(s.Why))
			}
		}
	})
}

func TestLongReasonIsCutOnACharacter(t *testing.T) {
	s := Trail(nil).Add(Step{Why: strings.Repeat("ü", maxWhy)})[0]
	if strings.ContainsRune(s.Why, '\uFFFD') || !strings.HasSuffix(s.Why, "...") {
		t.Errorf("cut badly: %q", s.Why)
	}
}

func TestTheRecordKeepsTheTrailOnce(t *testing.T) {
	trail := Trail{{Event: StepPlaced}, {Event: StepRan}}
	r := Message{Trail: trail[:1]}.Ended(Outcome{State: Succeeded, Trail: trail})
	if len(r.Trail) != 2 || r.Outcome.Trail != nil {
		t.Errorf("trail %v, outcome's %v", r.Trail, r.Outcome.Trail)
	}
}

func TestMetNeedsAnAnswerInTime(t *testing.T) {
	at := time.Unix(100, 0)
	for _, tc := range []struct {
		name string
		o    Outcome
		want bool
	}{
		{"in time", Outcome{State: Succeeded, FinishedAt: at}, true},
		{"late", Outcome{State: Succeeded, FinishedAt: at.Add(1)}, false},
		{"failed", Outcome{State: Failed, FinishedAt: at}, false},
	} {
		if got := (Message{DeadlineAt: at}).Ended(tc.o).Met(); got != tc.want {
			t.Errorf("%s: met %v", tc.name, got)
		}
	}
}
