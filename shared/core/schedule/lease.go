package schedule

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// StrictLease is the longest lease of a strict query's message: what a worker holds that
// hangs or is cut off comes back while strict callers still wait.
const StrictLease = 3 * time.Second

// Lease is how long a message of a class is leased for, with lease_seconds as set.
func Lease(class query.Class, set time.Duration) time.Duration {
	if class == query.Strict {
		return min(set, StrictLease)
	}
	return set
}
