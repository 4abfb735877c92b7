package simulate

import (
	"github.com/paragon-serving/paragon/shared/core/query"
)

// In a run that stands for a backend, requests come through a load balancer of two
// nodes. Each sends a request to the worker that has the fewest of its own
// requests outstanding, and knows nothing of the other's. A list of queries is
// one request, which is outstanding until its last query is answered.

// balancers are the nodes of the load balancer, one an availability zone.
const balancers = 2

// request is what a balancer has sent to a worker.
type request struct {
	pool       *pool
	worker     int // -1: none was ready, and the api function has it
	generation uint16
	balancer   int
	items      int // of the list; 1 for a single query
	open       int // not answered yet
}

// front is the load balancer and what it has sent.
type front struct {
	requests []request
	spare    []int32 // numbers to be used again
	turn     int     // of the balancers
	gathered int     // queries of the next list
}

// gather reports whether a request is complete with the query that arrives now. A
// list comes with its last query.
func (e *engine) gather() bool {
	e.front.gathered++
	return e.cfg.AsDeployed == nil || e.front.gathered >= e.cfg.AsDeployed.ListItems
}

// send opens a request of items queries at the next balancer and returns its
// number.
func (e *engine) send(p *pool, items int) int32 {
	f := &e.front
	f.turn++
	r := request{pool: p, balancer: f.turn % balancers, items: items, open: items}
	if r.worker = p.leastOutstanding(r.balancer); r.worker >= 0 {
		w := &p.workers[r.worker]
		r.generation = w.generation
		w.sent[r.balancer]++
	}
	if n := len(f.spare); n > 0 {
		id := f.spare[n-1]
		f.spare = f.spare[:n-1]
		f.requests[id] = r
		return id
	}
	f.requests = append(f.requests, r)
	return int32(len(f.requests) - 1)
}

// leastOutstanding is the ready worker to which a balancer has sent the fewest
// requests that are not answered; equals take turns. -1 when none is ready.
func (p *pool) leastOutstanding(balancer int) int {
	least := -1
	p.turn++
	for k := range p.workers {
		i := (p.turn + k) % len(p.workers)
		if w := &p.workers[i]; w.state == ready && (least < 0 || w.sent[balancer] < p.workers[least].sent[balancer]) {
			least = i
		}
	}
	return least
}

// close ends a query's part of its request: it is answered, or has a 202.
func (e *engine) close(j *job) {
	if e.cfg.AsDeployed == nil || j.request < 0 {
		return
	}
	id := j.request
	j.request = -1
	r := &e.front.requests[id]
	if r.open--; r.open > 0 {
		return
	}
	if r.worker >= 0 && r.pool.workers[r.worker].generation == r.generation {
		r.pool.workers[r.worker].sent[r.balancer]--
	}
	e.front.spare = append(e.front.spare, id)
}

// peerFor is the worker to which a query is offered for which its own has no
// slot: the one with the most free runners, less what waits for them, in the
// last view of the fleet. A relaxed query is offered only as part of a list.
// -1 for none.
func (e *engine) peerFor(p *pool, j *job) int {
	r := &e.front.requests[j.request]
	if !j.strict && r.items == 1 {
		return -1
	}
	p.readReports(e.now, int64(e.cfg.Settings.ReportSeconds()*float64(second)))
	best := -1
	for i, slots := range p.reported {
		if i != r.worker && i < len(p.workers) && p.workers[i].state == ready && (best < 0 || slots > p.reported[best]) {
			best = i
		}
	}
	return best
}

// readReports brings what workers know of each other up to date, when it is
// older than reports may be.
func (p *pool) readReports(now, every int64) {
	if p.reported != nil && now < p.reportedAt+every {
		return
	}
	p.reportedAt, p.reported = now, p.reported[:0]
	for i := range p.workers {
		slots := -int(^uint(0) >> 2)
		if w := &p.workers[i]; w.state == ready {
			slots = p.runners - w.queue.Busy() - w.queue.Len(query.Strict) - w.queue.Len(query.Relaxed)
		}
		p.reported = append(p.reported, slots)
	}
}

// limited reports whether the queries on functions are so: by definition they are not.
func (e *engine) limited() bool {
	return e.cfg.AsDeployed != nil || e.platform.Serving == ByFunctions
}

// mayOverflow reports whether the stage's limit and Lambda let one more query onto
// the functions.
func (e *engine) mayOverflow(p *pool, j *job) bool {
	return e.underLimit() && (e.cfg.AsDeployed == nil || !e.calls.throttled(e.function(p, j), e.now))
}

// underLimit reports whether the stage's limit lets one more query onto the functions.
func (e *engine) underLimit() bool {
	return e.cfg.AsDeployed == nil || e.onFunctions < e.cfg.Settings.MaxOverflowConcurrency
}

// functionEnds answers a query's request when its function has, and lets those
// overflow that waited for the place.
func (e *engine) functionEnds(id int32) {
	e.onFunctions--
	e.close(&job{request: id})
	for _, p := range e.pools {
		e.arm(p)
	}
}

// overflowExtraUS is by how much the way to a function is longer than that to a
// worker. A query that its intake hands over itself goes the short way.
func (e *engine) overflowExtraUS() int64 {
	if e.cfg.AsDeployed == nil {
		return 0
	}
	return micros(e.cfg.Settings.OverflowQueueMS())
}
