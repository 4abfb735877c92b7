package serving

import (
	"math"
	"testing"
	"time"
)

func TestUse(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	u := newUse(start, 2)
	for _, c := range []struct {
		at    float64
		busy  int
		share float64
		idle  float64
	}{
		{0, 1, 0, 0},
		{2, 1, 0.5, 0},      // one of two runners
		{4, 2, 0.5, 0},      //
		{8, 0, 0.75, 8},     // 4 of 8 and 8 of 8 runner seconds
		{10, 0, 0.6, 8},     // the window is full
		{20, 1, 0, 8},       // and another one, idle
		{30, 0, 0.5, 30},    //
		{35, 0, 1. / 3, 30}, // half of a window without use
	} {
		u.update(at(c.at), c.busy)
		if got := u.share(at(c.at)); math.Abs(got-c.share) > 1e-9 || !u.idleSince.Equal(at(c.idle)) {
			t.Errorf("at %v s: share %v since %v, want %v since %v s", c.at, got, u.idleSince.Sub(start), c.share, c.idle)
		}
	}
}
