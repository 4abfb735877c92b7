package schedule

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestStrictLeasesAreShort(t *testing.T) {
	for _, c := range []struct {
		class     query.Class
		set, want time.Duration
	}{
		{query.Strict, time.Minute, 3 * time.Second},
		{query.Strict, time.Second, time.Second},
		{query.Relaxed, time.Minute, time.Minute},
	} {
		if got := Lease(c.class, c.set); got != c.want {
			t.Errorf("%s with %v: %v, want %v", c.class, c.set, got, c.want)
		}
	}
}
