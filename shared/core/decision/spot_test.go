package decision

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/procurement"
)

// What the guard keeps of more workers are those on demand that are there; what it lets
// come of fewer are those on demand first.
func TestSpotPartOfWhatTheGuardLets(t *testing.T) {
	c := Case{Snapshot: procurement.Snapshot{Pool: procurement.Pool{Ready: 7, SpotReady: 4}}} // three on demand
	for _, tc := range []struct{ wanted, wantedSpot, to, spot int }{
		{5, 4, 5, 4}, {5, 0, 5, 0}, {5, 4, 7, 4}, {5, 4, 9, 6}, {5, 4, 3, 2}, {5, 4, 1, 0}, {5, 5, 0, 0},
	} {
		if got := c.spot(tc.to, procurement.Decision{Outcome: procurement.Decided, Workers: tc.wanted, Spot: tc.wantedSpot}); got != tc.spot {
			t.Errorf("%+v: %d spot instances", tc, got)
		}
	}
	for _, outcome := range []procurement.Outcome{procurement.Held, procurement.SafeMode} {
		if got := c.spot(9, procurement.Decision{Outcome: outcome, Workers: 9}); got != 4 {
			t.Errorf("%s: %d spot instances, not the four that are there", outcome, got)
		}
	}
}
