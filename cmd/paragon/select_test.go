package main

import "testing"

// A capacity is rounded down to three digits: less is promised, not more.
func TestThreeDigits(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.6428: "0.642", 2: "2", 25.76: "25.7", 999: "999", 1019: "1,010", 68857: "68,800", 217864: "217,000"} {
		if got := threeDigits(x); got != want {
			t.Errorf("%v: %q, want %q", x, got, want)
		}
	}
}
