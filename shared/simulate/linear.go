package simulate

import (
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/simulate/interior"
)

// What the linear programme has at most: steps, each a second or more, and prices at which
// work overflows. With fewer of them its cost is still a bound, and a lower one.
const (
	mostSteps  = 36000
	mostPrices = 12
	// priceSample is of how many queries the prices are taken.
	priceSample = 100_000
)

// demand is the work of a run's counted queries as they arrive, for a linear programme of
// the fleet. Work is in workers that are busy for one step, money in a worker for one step.
type demand struct {
	step   float64     // seconds
	prices []float64   // of an overflow, by kind, rising
	work   [][]float64 // that arrives, by step and kind
	room   []float64   // what may wait at the end of each step, for queries that are due later
}

// sized is a query's work, in seconds of a runner.
type sized struct {
	at, due int64 // when it comes, and when it is due
	seconds float64
	usd     float64 // of a warm call
}

// eachSized draws the counted queries of a run, the same ones that every scheme meets, until
// yield is false.
func (c *Config) eachSized(yield func(sized) bool) {
	plain := *c
	plain.Scheme, plain.AsDeployed, plain.Watch, plain.Progress = &plan{}, nil, nil, nil
	e := start(&plain)
	more := true
	e.sized = func(j job, m *Model) {
		least := float64(j.service)
		if m.BatchMax > 1 {
			least = min(least, m.BatchMS*1000)
		}
		more = yield(sized{j.at, j.deadline, least / float64(second), m.USD})
	}
	for at, ok := e.arrivals.peek(); ok && more; at, ok = e.arrivals.peek() {
		e.now = at
		e.arrivals.next++
		e.arrive()
	}
}

// demand sorts the queries of a run into steps.
func (c *Config) demand() demand {
	from, end := c.counted()
	p := &c.Pools[0]
	d := demand{step: math.Ceil(float64(end-from) / float64(second) / mostSteps)}
	stepUS := int64(d.step) * second
	n := int((end - from + stepUS - 1) / stepUS)
	perWork := float64(p.Runners) / (p.USDPerHour * c.cheapestSpot() / 3600) // of a runner's second
	d.prices = c.overflowPrices(perWork)
	d.work, d.room = make([][]float64, n), make([]float64, n+1)
	for i := range d.work {
		d.work[i] = make([]float64, len(d.prices))
	}
	c.eachSized(func(q sized) bool {
		work, at, price := q.seconds/float64(p.Runners)/d.step, int((q.at-from)/stepUS), q.usd/q.seconds*perWork
		kind, exact := slices.BinarySearch(d.prices, price)
		switch {
		case kind == 0: // below all that were sampled
			d.prices[0] = min(d.prices[0], price)
		case !exact:
			kind-- // the price below, so that the programme costs no more than is true
		}
		d.work[at][kind] += work
		if due := min(n, int((q.due-from)/stepUS)); due > at && !c.NoDefer {
			d.room[at] += work // at the ends of the steps before the one in which it is due
			d.room[due] -= work
		}
		return true
	})
	for i := 1; i < n; i++ {
		d.room[i] += d.room[i-1]
	}
	d.room = d.room[:n]
	return d
}

// overflowPrices are the prices of overflow relative to a worker's work: all that the first
// queries have, or those that part them evenly, beginning with the lowest.
func (c *Config) overflowPrices(perWork float64) []float64 {
	var all []float64
	c.eachSized(func(q sized) bool {
		all = append(all, q.usd/q.seconds*perWork)
		return len(all) < priceSample
	})
	slices.Sort(all)
	distinct := slices.Compact(slices.Clone(all))
	if len(distinct) <= mostPrices {
		return distinct
	}
	var out []float64
	for i := range mostPrices {
		out = append(out, all[i*len(all)/mostPrices])
	}
	return slices.Compact(out)
}

// plannedFleet is what the linear programme chooses, by step: workers that are ready, in parts of
// one, and the work that they and functions do.
type plannedFleet struct {
	ready, done []float64
	leastUSD    float64
}

// steps are the variables of one step, as places among the columns; -1 is one that cannot be
// above 0.
type steps struct{ ready, queue int }

// programme is the cheapest fleet for a demand, as a linear programme. In each step
//
//	ready − idle + overflow + waiting − waiting before = work that arrives
//	ready − ready before − booted + left = 0
//
// A worker that has booted costs its boot as well, as far as that is counted. Workers at the
// start are free, as their boots are not counted. What waits at the end costs its share of a
// worker.
func (c *Config) programme(d demand) (interior.Problem, []steps) {
	var p interior.Problem
	boot, n := float64(c.leastBootUS())/float64(second), len(d.work)
	add := func(cost, most float64, entries ...interior.Entry) int {
		if most <= 0 {
			return -1
		}
		p.Columns = append(p.Columns, interior.Column{Cost: cost, Most: most, Entries: entries})
		return len(p.Columns) - 1
	}
	p.Band, p.Right = 3, make([]float64, 2*n)
	workers := 1.0
	for i := range n {
		waited := 0.0
		if i > 0 {
			waited = d.room[i-1]
		}
		workers = max(workers, 2*(total(d.work[i])+waited))
	}
	places := make([]steps, n)
	for i := range n {
		work, fleet := 2*i, 2*i+1
		p.Right[work] = total(d.work[i])
		ready := []interior.Entry{{Row: work, Value: 1}, {Row: fleet, Value: 1}}
		waiting, left := []interior.Entry{{Row: work, Value: 1}}, 1.0
		if i < n-1 {
			ready = append(ready, interior.Entry{Row: fleet + 2, Value: -1})
			waiting, left = append(waiting, interior.Entry{Row: work + 2, Value: -1}), 0
		}
		places[i] = steps{ready: add(1, workers, ready...), queue: add(left, d.room[i], waiting...)}
		counted := min(boot, max(0, float64(i-1)*d.step)) / d.step // a worker that is ready within a step was so a step ago at the earliest
		add(counted, workers, interior.Entry{Row: fleet, Value: -1})
		add(0, workers, interior.Entry{Row: fleet, Value: 1})
		add(0, workers, interior.Entry{Row: work, Value: -1})
		for kind, most := range d.work[i] {
			add(d.prices[kind], most, interior.Entry{Row: work, Value: 1})
		}
	}
	return p, places
}

// cheapestFleet solves the programme.
func (c *Config) cheapestFleet(d demand) plannedFleet {
	p, places := c.programme(d)
	s := interior.Solve(p)
	out := plannedFleet{leastUSD: max(0, s.Least) * c.Pools[0].USDPerHour * c.cheapestSpot() / 3600 * d.step}
	waiting := 0.0
	for i, at := range places {
		before := waiting
		if waiting = 0; at.queue >= 0 {
			waiting = s.Values[at.queue]
		}
		out.ready = append(out.ready, s.Values[at.ready])
		out.done = append(out.done, total(d.work[i])+before-waiting)
	}
	return out
}

// linearUSD is what workers and functions cost at least in a run that answers every query by
// its own model within its bound, whatever decides: workers in parts of one, which start and
// leave at any time, and overflow that is chosen knowing all arrivals. A query that is not
// answered in time saves its call at most.
func linearUSD(c Config) (float64, error) {
	_, f, err := c.linear()
	return f.leastUSD, err
}

// linear is the cheapest fleet of a run, and the demand that it is for.
func (c *Config) linear() (demand, plannedFleet, error) {
	if len(c.Pools) != 1 {
		return demand{}, plannedFleet{}, invalidf("the linear program is of one pool, not %d", len(c.Pools))
	}
	d := c.demand()
	return d, c.cheapestFleet(d), nil
}

// leastBootUS is the shortest time in which a worker boots.
func (c *Config) leastBootUS() int64 {
	e := engine{cfg: c}
	if c.warm() > 0 {
		return min(e.bootUS(), int64(c.Settings.WarmBootSeconds*float64(second)))
	}
	return e.bootUS()
}

func total(of []float64) float64 {
	sum := 0.0
	for _, v := range of {
		sum += v
	}
	return sum
}
