package aws

import (
	"testing"
	"time"
)

func TestFinestPeriod(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct{ age, want time.Duration }{
		{0, time.Second}, {2 * time.Hour, time.Second}, {3 * time.Hour, time.Minute}, {14 * day, time.Minute},
		{15 * day, 5 * time.Minute}, {63 * day, time.Hour}, {454 * day, time.Hour}, {455 * day, 0},
	} {
		got, err := FinestPeriod(c.age)
		if got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("of %v ago: %v, error %v; want %v", c.age, got, err, c.want)
		}
	}
}
