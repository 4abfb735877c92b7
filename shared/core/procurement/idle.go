package procurement

import (
	"math"
	"time"
)

// UseWindow is over how long workers report the use of their runners: over the
// window that is being filled and the one before.
const UseWindow = 10 * time.Second

// IdleTracking keeps for how long a pool had more workers than its load would fill.
// Workers take work as they are free, so that a load which half of them could
// do keeps all of them from being idle for long; by themselves they would never
// close. What counts is how many would have had work if the load had gathered
// on the first ones.
//
// The kth entry is the Unix millisecond at which more than k workers last had work.
type IdleTracking []int64

// Observe takes how many workers had work just now; the others of the ready ones
// are idle since they last had, or became ready.
func (p IdleTracking) Observe(now time.Time, needed, ready int) IdleTracking {
	out := make(IdleTracking, ready)
	for k := range out {
		if k < needed || k >= len(p) {
			out[k] = now.UnixMilli()
		} else {
			out[k] = p[k]
		}
	}
	return out
}

// Idle is for how long each worker that had none was without work, in seconds,
// the longest first.
func (p IdleTracking) Idle(now time.Time, needed int) []float64 {
	var out []float64
	for k := len(p) - 1; k >= needed; k-- {
		out = append(out, max(0, float64(now.UnixMilli()-p[k])/1000))
	}
	return out
}

// Needed is how many of the ready workers the load would fill: by the queries
// that run and wait now, and by the workers' worth of runners used recently.
func Needed(ready, runnersEach, inHand int, used float64) int {
	now := math.Ceil(float64(inHand) / float64(max(1, runnersEach)))
	return min(ready, max(int(now), int(math.Ceil(used-1e-9))))
}
