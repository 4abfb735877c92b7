package simulate

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/workload"
)

// As deployed what waits counts for the mean service time, as in production; by definition
// for its own. What runs is ahead of a strict query in both.
func TestBacklog(t *testing.T) {
	p := newPool(0, &Pool{Runners: 2, Models: []Model{{ServiceMS: 100}, {ServiceMS: 500}}})
	p.control.serviceMS = 300
	for _, j := range []job{{model: 1, strict: true}, {model: 1, strict: true}, {model: 0}} {
		q := &p.relaxed
		if j.strict {
			q = &p.strict
		}
		q.push(j, p.service[j.model])
	}
	p.running, p.endSum = 2, 1_040_000+1_060_000 // now is 1 s
	for _, tc := range []struct {
		deployed bool
		held     int
		want     workload.Backlog
	}{
		{false, 0, workload.Backlog{WaitingMS: 1100, StrictMS: 1000 + 100, RelaxedMS: 100}},
		{true, 2, workload.Backlog{WaitingMS: 5 * 300, StrictMS: 600 + 100, RelaxedMS: 300}},
	} {
		p.held = tc.held
		if got := p.backlog(1_000_000, tc.deployed); got != tc.want {
			t.Errorf("as deployed %v: %+v, want %+v", tc.deployed, got, tc.want)
		}
	}
}
