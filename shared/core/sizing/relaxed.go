package sizing

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// RelaxedOverflowAt is when a relaxed query goes to an inference function, where the
// scheme lets relaxed queries overflow: at the last moment at which a function keeps its
// bound (functionLast), or sooner, at the last at which a worker does (workerTakes before
// its deadline), as waiting longer gains nothing. It leaves lookAhead before that, for
// which a query may wait in the hands of the worker that took it. All are in one unit,
// counted from one moment. For example, with a bound of 10 s, a function that keeps it
// until 9.7 s, a worker that takes 0.9 s and a look-ahead of 50 ms, it is at 9.05 s.
//
// It is the only rule for this:
//   - Where a query is placed (package placement), workerTakes includes the work ahead of
//     it, or is infinite without workers. If the moment has passed, it overflows at once.
//   - While it waits, workerTakes is its own run only. Workers hand it over then
//     (schedule.EvictOverflow), and the controller does for a pool of which no worker
//     answers (overflow.Keeper).
func RelaxedOverflowAt[T ~int64 | ~float64](functionLast, deadline, workerTakes, lookAhead T) T {
	return min(functionLast, deadline-workerTakes) - lookAhead
}

// HandOverSlackMS is how long before the last moment at which a warm function keeps its
// bound a relaxed query is handed over at the latest, in milliseconds: a worker that is held
// up for less than that still hands it over in time.
const HandOverSlackMS = 200

// FunctionLast is the last moment at which a relaxed query is given to a function: coldLast,
// by which one that must be started keeps its bound, or, of a function that counts as warm
// (MostlyWarm), warmLast; and slack before warmLast at the latest. All are in one unit,
// counted from one moment.
func FunctionLast[T ~int64 | ~float64](warmLast, coldLast, slack T, warm bool) T {
	if warm {
		return warmLast - slack
	}
	return min(coldLast, warmLast-slack)
}

// Paths are what a way to an answer takes besides the run, in milliseconds.
type Paths struct {
	WorkerMS, FunctionMS float64
	// LookAheadMS is how much sooner a query leaves the workers than at the last moment.
	LookAheadMS float64
}

// PathsOf are the paths of a stage with those settings.
func PathsOf(s settings.Settings) Paths {
	return Paths{WorkerMS: s.PathMS, FunctionMS: s.OverflowPathMS, LookAheadMS: s.LookAheadMS}
}

// RelaxedOverflowWindow is between which moments after acceptance a relaxed query that
// waits is handed over to a function: from HandOver.RelaxedAtMS on, until the last moment
// at which a warm function still keeps its bound. It is false when no function holds the
// model.
func RelaxedOverflowWindow(c *profile.Catalogue, m *profile.Model, arch, instanceType string, n query.Need, boundMS float64, paths Paths, warm bool) (atMS, byMS float64, ok bool) {
	last, ok := LastResort(c, m, arch, n, boundMS, paths.FunctionMS)
	if !ok {
		return 0, 0, false
	}
	workerMS := 0.0
	if st, ok := c.OnVM(m, instanceType); ok {
		workerMS = st.MS.P99
	}
	return last.RelaxedAtMS(boundMS, workerMS, paths, warm), last.WarmAfterMS, true
}
