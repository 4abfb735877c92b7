package query

import (
	"math"
	"testing"
)

func TestPercentOfShare(t *testing.T) {
	for accuracy, want := range map[float64]struct {
		percent float64
		share   bool
	}{0.9: {90, true}, 1: {100, true}, 1e-9: {1e-7, true}, 0: {0, false}, -0.5: {-50, false}, 1.01: {101, false}, 92.5: {9250, false}} {
		if percent, share := PercentOfShare(accuracy); share != want.share || math.Abs(percent-want.percent) > 1e-9 {
			t.Errorf("%g: %g %t", accuracy, percent, share)
		}
	}
}
