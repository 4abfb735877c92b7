package aws

import (
	"fmt"
	"time"
)

// kept is for how long CloudWatch keeps values of a period.
var kept = []struct{ age, period time.Duration }{
	{3 * time.Hour, time.Second},
	{15 * 24 * time.Hour, time.Minute},
	{63 * 24 * time.Hour, 5 * time.Minute},
	{455 * 24 * time.Hour, time.Hour},
}

// retentionMargin is left to the time at which values are forgotten, as they
// are while they are read.
const retentionMargin = 5 * time.Minute

// FinestPeriod is the shortest period in which CloudWatch still has values of
// an age. It fails for those that are forgotten.
func FinestPeriod(age time.Duration) (time.Duration, error) {
	for _, k := range kept {
		if age+retentionMargin <= k.age {
			return k.period, nil
		}
	}
	return 0, fmt.Errorf("CloudWatch keeps metrics for 455 days, and has none of %v ago", age.Round(time.Hour))
}
