package control

import (
	"math"
	"time"
)

// packing tells for how long a pool had more workers than its load would fill.
// Workers take work as they are free, so that a load which half of them could
// do keeps all of them from being idle for long; by themselves they would never
// close. What counts is how many would have had work if the load had gathered
// on the first ones, as the schemes and the simulator have it.
//
// The kth entry is the Unix millisecond at which more than k workers last had work.
type packing []int64

// see takes how many workers had work just now; the others of the ready ones
// are idle since they last had, or became ready.
func (p packing) see(now time.Time, needed, ready int) packing {
	out := make(packing, ready)
	for k := range out {
		if k < needed || k >= len(p) {
			out[k] = now.UnixMilli()
		} else {
			out[k] = p[k]
		}
	}
	return out
}

// idle is for how long each worker that had none was without work, in seconds,
// the longest first.
func (p packing) idle(now time.Time, needed int) []float64 {
	var out []float64
	for k := len(p) - 1; k >= needed; k-- {
		out = append(out, max(0, float64(now.UnixMilli()-p[k])/1000))
	}
	return out
}

// needed is how many of the crew's workers the load would fill: by what runs
// and waits now, so much of it on the queues, and by what ran of late.
func (c crew) needed(runnersEach, waiting int) int {
	used := 0.0
	for _, w := range c.ready {
		waiting += w.Busy + w.HeldStrict + w.HeldRelaxed
		used += w.Used
	}
	now := math.Ceil(float64(waiting) / float64(max(1, runnersEach)))
	return min(len(c.ready), max(int(now), int(math.Ceil(used-1e-9))))
}
