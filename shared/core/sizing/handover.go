package sizing

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// LastMoment is the latest moment at which an inference function with the time
// takes still keeps a deadline; with cold, one that must be started first. A
// relaxed query that may overflow waits for a runner until then and no longer.
// All are in one unit, counted from one moment: microseconds in the simulator,
// milliseconds since acceptance in production.
func LastMoment[T ~int64 | ~float64](deadline, takes, coldAdds T, cold bool) T {
	if cold {
		return deadline - takes - coldAdds
	}
	return deadline - takes
}

// TooSlowByQueue reports whether a function with the time takes keeps what is left of a
// bound only when the process that holds the query invokes it: the overflow queue's way is too
// long. All are in one unit.
func TooSlowByQueue[T ~int64 | ~float64](left, takes, way, queueWay T) bool {
	return left < takes+queueWay && left >= takes+way
}

// HandOver is how long a query may wait for a worker when an inference function
// is its last resort.
type HandOver struct {
	Size Size // of the function, warm
	// ColdAfterMS and WarmAfterMS are the last moments after acceptance at which
	// the function keeps the bound: one that must be started first, and a warm
	// one. Negative when it never does.
	ColdAfterMS, WarmAfterMS float64
}

// LastResort returns until when a query of a model with that need and latency bound may wait,
// with pathMS for the way to the function. It is false when no function holds
// the model.
func LastResort(c *profile.Catalogue, m *profile.Model, arch string, n query.Need, latencyMS, pathMS float64) (HandOver, bool) {
	right, st, ok := rightFunction(c, m, arch, WantsOf(n, latencyMS-pathMS))
	if !ok {
		return HandOver{}, false
	}
	after := func(cold bool) float64 {
		return LastMoment(latencyMS-pathMS, st.MS.P95, st.ColdMS.P95, cold)
	}
	return HandOver{Size: right, ColdAfterMS: after(true), WarmAfterMS: after(false)}, true
}

// RelaxedAtMS is RelaxedOverflowAt of a query with a bound whose run takes workerMS on a
// worker, in milliseconds after acceptance. The function must be started first unless it
// counts as warm (MostlyWarm).
func (h HandOver) RelaxedAtMS(boundMS, workerMS float64, paths Paths, warm bool) float64 {
	last := FunctionLast(h.WarmAfterMS, h.ColdAfterMS, HandOverSlackMS, warm)
	return RelaxedOverflowAt(last, boundMS-paths.WorkerMS, workerMS, paths.LookAheadMS)
}

// KeepAfter is after how many milliseconds without an answer the process that holds the request of
// a strict query has a function answer it: its bound less the function's p95. It is false
// where no function holds the model, and where there is no time for that.
func KeepAfter(c *profile.Catalogue, m *profile.Model, arch string, n query.Need, latencyMS, pathMS float64) (afterMS float64, ok bool) {
	last, ok := LastResort(c, m, arch, n, latencyMS, pathMS)
	if !ok {
		return 0, false
	}
	return secondRunAfter(latencyMS, 0, last.Size.P95MS, pathMS+last.Size.P95MS)
}

// PassOnAfter is KeepAfter of a query that another worker runs, to which it goes by a
// queue: the bound less the worker's p99 and pathMS for the way.
func PassOnAfter(c *profile.Catalogue, m *profile.Model, instanceType string, latencyMS, pathMS float64) (afterMS float64, ok bool) {
	st, ok := c.OnVM(m, instanceType)
	if !ok {
		return 0, false
	}
	return secondRunAfter(latencyMS, pathMS, st.MS.P99, pathMS+st.MS.P99)
}

// secondRunAfter is when a second run must be on its way to end within a bound. It is false
// where the first, by the usual way, does not fit before it, as every query would run twice then.
func secondRunAfter(latencyMS, pathMS, runMS, firstMS float64) (afterMS float64, ok bool) {
	afterMS = latencyMS - pathMS - runMS
	return afterMS, afterMS >= firstMS
}
