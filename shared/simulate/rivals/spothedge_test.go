package rivals_test

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// SpotHedge asks for one spot instance more than its target, and for as many workers on
// demand as are missing of that, at most its target.
func TestSpotHedge(t *testing.T) {
	record := &simulate.Availability{Step: 5 * time.Minute, Zones: []string{"a", "b"}}
	for i := range 24 {
		record.Rows = append(record.Rows, [][]int{{9, 9}, {1, 1}, {0, 0}}[i/8])
	}
	_, seen := played(t, "spothedge", flat(32, 2*3600), func(c *simulate.Config) {
		c.Spot = simulate.Spot{PriceFactor: 0.3, Availability: record}
	})
	most := 0
	for _, m := range seen {
		if m.Decision.Outcome != procurement.Decided {
			continue
		}
		target := m.Decision.Spot - 1
		onDemand := m.Decision.Workers - m.Decision.Spot
		if want := max(0, min(target, target+1-m.Snapshot.Pool.SpotReady)); onDemand != want {
			t.Fatalf("at %v %d on demand with %d ready spot instances and a target of %d, want %d", m.At, onDemand, m.Snapshot.Pool.SpotReady, target, want)
		}
		most = max(most, onDemand)
	}
	if most < 4 {
		t.Errorf("at most %d on demand without spot instances", most)
	}
}
