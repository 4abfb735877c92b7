package procurement_test

import (
	"slices"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
)

func TestIdleTrackingReportsHowLongWorkersWereTooMany(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var p procurement.IdleTracking
	for _, c := range []struct {
		at            int
		needed, ready int
		idle          []float64
	}{
		{0, 2, 4, []float64{0, 0}},
		{10, 2, 4, []float64{10, 10}},
		{20, 3, 4, []float64{20}},
		{30, 1, 4, []float64{30, 10, 10}},
		{40, 0, 2, []float64{20, 10}},
		{50, 0, 3, []float64{0, 30, 20}},
	} {
		now := start.Add(time.Duration(c.at) * time.Second)
		p = p.Observe(now, c.needed, c.ready)
		got := p.Idle(now, c.needed)
		if !slices.Equal(got, c.idle) {
			t.Errorf("at %d s: %v, want %v", c.at, got, c.idle)
		}
	}
}
