package simulate

import (
	"math/bits"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/workload"
)

type workerState uint8

const (
	absent workerState = iota
	booting
	ready
	draining
)

// worker is one machine. Its place is used again after it left; the generation
// distinguishes events of the one before.
type worker struct {
	state      workerState
	spot       bool
	zone       int8 // of a spot instance, where availability is recorded
	generation uint16
	free       uint64 // runners, as bits
	billedFrom int64
	idleFrom   int64
	busyFrom   int64 // since when a runner runs, or up to when the tail is billed

	// In a run that stands for a backend:
	queue *schedule.Queue[job]
	sent  [balancers]int // requests that are not answered, by balancer
}

// slot is one runner and what it runs.
type slot struct {
	end  int64
	job  job
	more []job // of a batch

	ticket int // of the worker's queue, in a run that stands for a backend
}

// pool is the workers of one group, their queues and what its controller sees.
type pool struct {
	id      uint8
	cfg     *Pool
	service []int64 // by model, in microseconds, at p50
	runners int
	all     uint64 // runners of an idle worker, as bits

	workers  []worker
	slots    []slot   // runners of worker i from i*runners on
	freeBits []uint64 // workers that are ready and have a free runner

	nReady, nBooting, nDraining int
	warm                        int   // instances that are stopped
	strict, relaxed             queue // of the pool

	held int // queries in workers' queues
	turn int // where the balancer begins to compare

	reported   []int // free runners less what waits, by worker, as the others know it
	reportedAt int64

	running   int   // runs in progress
	endSum    int64 // of when they end
	armed     bool  // a hand-over of a relaxed query is in the event queue
	busyTo    int64 // how far busyUS was summed up
	busyUS    int64 // runner time in use since the last tick
	readyUS   int64 // runner time there was
	billedTo  int64 // how far workers' time was summed up
	capacity  int   // runners that take work
	control   control
	spotAlive int
	spotLost  int // since the last tick
}

func newPool(id int, cfg *Pool) *pool {
	p := &pool{id: uint8(id), cfg: cfg, runners: cfg.Runners, all: ^uint64(0) >> (64 - cfg.Runners)}
	for _, m := range cfg.Models {
		p.service = append(p.service, max(1, micros(m.ServiceMS)))
	}
	return p
}

// place returns the index of a place for a new worker, the lowest first.
func (p *pool) place() int {
	for i := range p.workers {
		if p.workers[i].state == absent {
			return i
		}
	}
	p.workers = append(p.workers, worker{})
	p.slots = append(p.slots, make([]slot, p.runners)...)
	if len(p.workers) > 64*len(p.freeBits) {
		p.freeBits = append(p.freeBits, 0)
	}
	return len(p.workers) - 1
}

// freeWorker returns the first worker with a free runner: the load gathers on
// the first ones, so that the last come idle and can close. -1 when none is.
func (p *pool) freeWorker() int {
	for i, w := range p.freeBits {
		if w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return -1
}

// occupy takes a free runner of a worker and returns its slot.
func (p *pool) occupy(w int, now int64) int {
	wk := &p.workers[w]
	if wk.free == p.all {
		wk.busyFrom = now
	}
	runner := bits.TrailingZeros64(wk.free)
	wk.free &^= 1 << runner
	if wk.free == 0 {
		p.mark(w, false)
	}
	return w*p.runners + runner
}

func (p *pool) mark(i int, free bool) {
	if free {
		p.freeBits[i/64] |= 1 << (i % 64)
	} else {
		p.freeBits[i/64] &^= 1 << (i % 64)
	}
}

// integrate brings the sums of runner time up to now; it is called before the
// number of runs or of ready workers changes.
func (p *pool) integrate(now int64) {
	d := now - p.busyTo
	p.busyUS += d * int64(p.running)
	p.readyUS += d * int64(p.capacity)
	p.busyTo = now
}

// backlog is the work that the pool has before it, by the rule of production. As deployed
// each query that waits counts for the mean service time; by definition its own is known.
// What runs counts as ahead of a strict query, whatever its class: it is not interrupted.
func (p *pool) backlog(now int64, deployed bool) workload.Backlog {
	on := workload.Queued{StrictMS: float64(p.strict.workU) / 1000, RelaxedMS: float64(p.relaxed.workU) / 1000}
	if deployed {
		on = workload.Waiting{Strict: p.strict.n, Relaxed: p.relaxed.n}.Work(p.control.serviceMS)
	}
	at := moment(now)
	workers := [...]fleet.Report{{At: at, HeldRelaxed: p.held, StrictMS: float64(p.endSum-now*int64(p.running)) / 1000}}
	return workload.BacklogOf(on, workers[:], p.control.serviceMS, at)
}
