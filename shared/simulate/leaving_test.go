package simulate

import (
	"slices"
	"testing"
)

// Workers leave in production's order: those that boot, the last launched first; then the
// idle ones, the longest idle first; then the one with the least to do, wherever it is.
func TestWorkersLeaveInTheOrderOfProduction(t *testing.T) {
	p := newPool(0, &Pool{Runners: 2, Models: []Model{{ServiceMS: 100}}})
	for range 8 {
		p.place()
		p.workers[len(p.workers)-1].state = ready
	}
	set := func(i int, w worker, ends ...int64) {
		p.workers[i] = w
		for r, end := range ends {
			p.slots[i*p.runners+r] = slot{end: end, job: job{strict: r == 0}}
		}
	}
	set(0, worker{state: ready, free: 0b10}, 2000)       // one run of 1 ms
	set(1, worker{state: ready, free: 0b00}, 1500, 1500) // two runs
	set(2, worker{state: ready, free: 0b10}, 1200)       // one run, shorter
	set(3, worker{state: ready, free: 0b11, idleFrom: 900})
	set(4, worker{state: ready, free: 0b11, idleFrom: 100})
	set(5, worker{state: booting, billedFrom: 800})
	set(6, worker{state: booting, billedFrom: 700})
	set(7, worker{state: draining, free: 0b11})
	if got, want := p.leavingOrder(1000), []int{5, 6, 4, 3, 2, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("workers leave in the order %v, want %v", got, want)
	}
}
