package overflow

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// linePlaces is for how many places on the functions there is a line: each query takes a
// write of its line's row, of which DynamoDB takes 1,000 a second.
const linePlaces = 64

// rowWritesPerSecond is how many writes a second DynamoDB takes of one row.
const rowWritesPerSecond = 1000

// lineName is the name of the overflow queue's line in platform.Shared.
const lineName = "overflow-queue"

// Line is the work on the overflow queue for which nobody holds a place on the
// functions until it ends: of queries whose callers do not wait, and of those that leave
// the work queues. The functions work it off, max_overflow_concurrency at a time, and
// what its end says is answered too late does not join it. It holds for all processes,
// in as many parts as one row each bears, and takes a write a query.
type Line struct{ Shared platform.Shared }

// Join adds a query that takes a function serviceMS, and reports whether it ends by a
// time. A store that fails keeps no query back; one that is throttled does where more
// queries than functions end come before it is.
func (l Line) Join(ctx context.Context, now, by time.Time, serviceMS float64, concurrency int) bool {
	parts := max(1, concurrency/linePlaces)
	each := limits.EachMS(serviceMS, concurrency) * float64(parts)
	if each > query.Milliseconds(by.Sub(now)) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, platform.ReserveTime)
	defer cancel()
	_, ok, err := l.Shared.Reserve(ctx, platform.LinePart(lineName, rand.IntN(parts)), now, by, query.Duration(each))
	if errors.Is(err, platform.ErrThrottled) {
		return each < 1000/rowWritesPerSecond
	}
	return ok || err != nil
}
