package simulate

import (
	"math"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// What a query's machinery costs goes by how it was answered: strict ones and
// those in time within their request, by a worker or a function; others after a 202.
func TestMachineryGoesByTheAnswer(t *testing.T) {
	usd := pricing.PerQuery{DirectUSD: 1, OverflowUSD: 10, AsyncUSD: 100, HandoverUSD: 1000}
	for _, tt := range []struct {
		name     string
		job      job
		after    int64 // from arrival to answer, without the path
		function bool
		want     float64
	}{
		{"strict, in time", job{strict: true, deadline: second}, second / 2, false, 1},
		{"strict, late", job{strict: true, deadline: second}, 2 * second, false, 1},
		{"relaxed, in time", job{deadline: 10 * second}, 9 * second, false, 1},
		{"relaxed, late", job{deadline: 10 * second}, 11 * second, false, 100},
		{"relaxed, longer than a request is held", job{deadline: 60 * second}, 26 * second, false, 100},
		{"the path counts", job{deadline: 60 * second}, 25*second - second/20, false, 100},
		{"strict, on a function", job{strict: true, deadline: second}, second / 2, true, 10},
		{"relaxed, on a function in time", job{deadline: 10 * second}, 9 * second, true, 10},
		{"relaxed, on a function late", job{deadline: 10 * second}, 11 * second, true, 1100},
		{"relaxed, after a 202", job{deadline: 10 * second, accepted: true}, 5 * second, false, 100},
		{"relaxed, after a 202, on a function", job{deadline: 10 * second, accepted: true}, 5 * second, true, 1100},
	} {
		e := &engine{cfg: &Config{Machinery: usd, Settings: settings.Defaults()}, path: second / 10, widest: 1, calls: newFunctions(&Config{}, 1), now: tt.after, hour: &Hour{}}
		tt.job.counted = true
		if tt.function {
			ms := 400.0
			e.now -= micros(ms)
			e.overflow(&pool{cfg: &Pool{Models: []Model{{FunctionMS: ms}}}}, &tt.job, false)
		} else {
			e.answered(&tt.job)
		}
		if p := e.hour.Bill.Paths; p.Direct+p.Overflow+p.Asynchronous != e.hour.Bill.Machinery {
			t.Errorf("%s: %+v is not the sum of its paths", tt.name, e.hour.Bill)
		}
		if got := e.hour.Bill.Machinery; math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: $%v, want $%v", tt.name, got, tt.want)
		}
	}
}
