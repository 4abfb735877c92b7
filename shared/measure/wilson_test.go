package measure

import (
	"math"
	"testing"
)

func TestWilson(t *testing.T) {
	for _, tc := range []struct {
		correct, total int
		low, high      float64
	}{{95, 100, 0.88825, 0.97846}, {0, 10, 0, 0.27753}, {10, 10, 0.72247, 1}, {0, 0, 0, 1}, {1960, 2000, 0.97286, 0.98528}} {
		low, high := Wilson(tc.correct, tc.total)
		if math.Abs(low-tc.low) > 1e-4 || math.Abs(high-tc.high) > 1e-4 {
			t.Errorf("%d of %d: %.5f to %.5f, not %.5f to %.5f", tc.correct, tc.total, low, high, tc.low, tc.high)
		}
	}
}
