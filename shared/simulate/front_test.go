package simulate

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// deployedEngine is a run of a backend with workers of one runner each, and a minute with rate
// strict queries of 100 ms a second.
func deployedEngine(t *testing.T, workers int, rate float64, change func(*Config)) *engine {
	t.Helper()
	scheme, err := procurement.Get("mixed")
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]float64, 60)
	for i := range counts {
		counts[i] = rate
	}
	set := settings.Defaults()
	set.MinWorkers, set.MaxWorkers = workers, workers
	c := &Config{
		Trace: arrivals.Trace{Step: time.Second, Counts: counts}, Scheme: scheme, Settings: set, Strict: 1, StrictMS: 1000, RelaxMS: 10000,
		Workers: workers, Seed: 1, AsDeployed: &AsDeployed{}, Pools: []Pool{{Name: "p", Runners: 1, USDPerHour: 0.1, Share: 1, Models: []Model{
			{Name: "m", ServiceMS: 100, P99MS: 100, FunctionMS: 100, USD: 1e-5, ColdUSD: 1e-5}}}},
	}
	change(c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	e := start(c)
	e.playTo(e.now) // the first workers boot in no time
	return e
}

func unchanged(*Config) {}

// Each balancer sends to the worker with the fewest of its own requests, and a
// list is one of them until its last query is answered.
func TestBalancersCountTheirOwn(t *testing.T) {
	e := deployedEngine(t, 2, 0, unchanged)
	p := e.pools[0]
	sent := func() [2][balancers]int { return [2][balancers]int{p.workers[0].sent, p.workers[1].sent} }
	var ids []int32
	for range 4 {
		ids = append(ids, e.send(p, 3))
	}
	if want := [2][balancers]int{{1, 1}, {1, 1}}; sent() != want {
		t.Fatalf("four lists are outstanding as %v", sent())
	}
	for i := range 3 {
		if got := e.front.requests[ids[0]].open; got != 3-i {
			t.Errorf("%d of a list's queries are open, want %d", got, 3-i)
		}
		e.close(&job{request: ids[0]})
	}
	r := e.front.requests[ids[0]]
	if p.workers[r.worker].sent[r.balancer] != 0 || p.workers[r.worker].sent[1-r.balancer] != 1 {
		t.Errorf("after its last answer a list is outstanding: %v", sent())
	}
	e.front.turn = r.balancer + 1 // so that the same balancer is next
	if id := e.send(p, 1); e.front.requests[id].worker != r.worker {
		t.Errorf("the next request went to worker %d, where the balancer has one, not to %d", e.front.requests[id].worker, r.worker)
	}
}

// A strict query without a slot is offered to one peer; a relaxed one only as a
// part of a list.
func TestWhatFindsNoSlotIsOfferedToAPeer(t *testing.T) {
	for _, c := range []struct {
		name   string
		strict bool
		items  int
		peer   bool
	}{{"strict", true, 1, true}, {"relaxed", false, 1, false}, {"relaxed of a list", false, 2, true}} {
		e := deployedEngine(t, 3, 0, unchanged)
		p := e.pools[0]
		id := e.send(p, c.items)
		own := e.front.requests[id].worker
		busy := (own + 1) % 3
		p.occupy(busy, e.now)
		p.workers[busy].queue.Add(p.work(&job{strict: true, deadline: second}, 0), job{})
		p.workers[busy].queue.Start(moment(e.now), 1)
		got := e.peerFor(p, &job{strict: c.strict, request: id})
		if want := 3 - own - busy; c.peer && got != want || !c.peer && got >= 0 {
			t.Errorf("%s: offered to %d of three workers, of which %d refused and %d is busy", c.name, got, own, busy)
		}
	}
}

// With lists of ten the balancers see a tenth of the load, and peers take what
// is beyond a worker's own slots: hardly more overflows than of single queries.
func TestListsAreSharedOutByOffers(t *testing.T) {
	overflow := func(items int) float64 {
		e := deployedEngine(t, 6, 40, func(c *Config) { c.AsDeployed.ListItems, c.Settings.MaxOverflowConcurrency = items, 100 })
		e.play()
		r := e.finish()
		if r.Arrived() != 2400 || r.InSystem != 0 {
			t.Errorf("lists of %d: %d of 2400 arrived, %d never ended", items, r.Arrived(), r.InSystem)
		}
		for i := range e.pools[0].workers {
			if w := &e.pools[0].workers[i]; w.sent != [balancers]int{} {
				t.Errorf("lists of %d: %v are outstanding at the end", items, w.sent)
			}
		}
		return r.OverflowRatio()
	}
	one, ten := overflow(1), overflow(10)
	if one > 0.02 || ten > one+0.05 {
		t.Errorf("%.3f of single queries overflow and %.3f of lists", one, ten)
	}
}

// No more queries are on functions at once than the stage lets, by either path,
// and the path through the queue takes longer.
func TestOverflowOfABackendIsLimited(t *testing.T) {
	busy := map[string]int{} // functions, summed over the ticks
	for _, path := range []string{"queue", "direct"} {
		most := 0
		var e *engine
		e = deployedEngine(t, 1, 60, func(c *Config) {
			c.Settings.OverflowPath, c.Settings.OverflowPathMS, c.Settings.MaxOverflowConcurrency = path, 500, 60
			c.Progress = nil
			c.Watch = func(Moment) { most, busy[path] = max(most, e.onFunctions), busy[path]+e.onFunctions }
		})
		e.play()
		e.finish()
		if most == 0 || most > 60 || e.onFunctions != 0 {
			t.Errorf("%s: %d on functions at most, %d at the end", path, most, e.onFunctions)
		}
	}
	if busy["queue"] <= busy["direct"] {
		t.Errorf("busy for %v", busy)
	}
	e := deployedEngine(t, 1, 60, func(c *Config) { c.Settings.MaxOverflowConcurrency = 0 })
	e.play()
	if r := e.finish(); r.Strict.Overflow != 0 {
		t.Errorf("%d overflow although none may", r.Strict.Overflow)
	}
}
