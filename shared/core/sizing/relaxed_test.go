package sizing

import (
	"math"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestRelaxedOverflowGoesByTheSlowerOfWorkerAndFunction(t *testing.T) {
	never := math.Inf(1)
	for _, c := range []struct{ functionLast, worker, lookAhead, want float64 }{
		{9700, 200, 0, 9700}, {9700, 900, 0, 9100}, {9700, 200, 50, 9650}, {9700, 900, 50, 9050},
		{never, 10_000, 0, 0}, {never, 10_001, 0, -1}, {9700, never, 0, -never},
	} {
		if got := RelaxedOverflowAt(c.functionLast, 10_000, c.worker, c.lookAhead); got != c.want {
			t.Errorf("%+v: overflows at %v", c, got)
		}
	}
}

func TestRelaxedOverflowWindow(t *testing.T) {
	c, m := catalogue(100, 110)
	measured(m, 512, 310, 2000)
	paths := Paths{WorkerMS: 5, FunctionMS: 15, LookAheadMS: 50}
	for _, w := range []struct {
		warm bool
		at   float64
	}{{false, 10_000 - 15 - 310 - 2000 - 50}, {true, 10_000 - 15 - 310 - HandOverSlackMS - 50}} {
		at, by, ok := RelaxedOverflowWindow(c, m, "x86_64", "no such instance", query.Need{}, 10_000, paths, w.warm)
		if !ok || at != w.at || by != 10_000-15-310 {
			t.Errorf("%+v: from %v to %v, %v", w, at, by, ok)
		}
	}
	if _, _, ok := RelaxedOverflowWindow(c, m, "arm64", "no such instance", query.Need{}, 10_000, paths, true); ok {
		t.Error("a hand-over without functions")
	}
}
