package control

import (
	"slices"
	"testing"
	"time"

	"paragon/shared/cloud"
)

func TestPackingTellsHowLongWorkersWereTooMany(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var p packing
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
		p = p.see(now, c.needed, c.ready)
		got := p.idle(now, c.needed)
		if !slices.Equal(got, c.idle) {
			t.Errorf("at %d s: %v, want %v", c.at, got, c.idle)
		}
	}
}

func TestNeeded(t *testing.T) {
	w := func(busy, held int, used float64) cloud.WorkerReport {
		return cloud.WorkerReport{Busy: busy, HeldRelaxed: held, Used: used}
	}
	for name, c := range map[string]struct {
		ready []cloud.WorkerReport
		waits int
		want  int
	}{
		"nobody":            {nil, 0, 0},
		"idle":              {[]cloud.WorkerReport{w(0, 0, 0), w(0, 0, 0)}, 0, 0},
		"spread thin":       {[]cloud.WorkerReport{w(1, 0, 0.2), w(1, 0, 0.2), w(0, 0, 0.2)}, 0, 1},
		"busy a moment ago": {[]cloud.WorkerReport{w(0, 0, 0.9), w(0, 0, 0.9), w(0, 0, 0)}, 0, 2},
		"one holds work":    {[]cloud.WorkerReport{w(2, 1, 0.5), w(0, 0, 0), w(0, 0, 0)}, 0, 2},
		"work waits":        {[]cloud.WorkerReport{w(0, 0, 0), w(0, 0, 0)}, 9, 2},
	} {
		if got := (crew{ready: c.ready}).needed(2, c.waits); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
