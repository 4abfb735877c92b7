package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// engine is one run in progress.
type engine struct {
	cfg           *Config
	platform      Platform
	now           int64
	from, end     int64 // counted
	events        eventQueue
	arrivals      *stream
	pools         []*pool
	calls         *functions
	widest        int // models of a pool, at most
	mix           *rand.Rand
	noise         *rand.Rand
	interruptions *rand.Rand
	cut           uint64 // below it a query is strict
	shares        []float64
	budget        [2]int64 // latency bounds less the path, relaxed and strict
	path          int64
	// leastFactor is the price of the cheapest worker relative to one on demand.
	leastFactor float64
	live        bool  // the controller ticks
	spotAlive   []int // by zone, where availability is recorded
	inSystem    int64
	front       front
	// onFunctions are the queries in progress on functions, where their number is limited.
	onFunctions int
	// overflowed counts all queries that went to functions.
	overflowed int64
	// sized, when set, gets the counted queries, and nothing is played.
	sized   func(j job, m *Model)
	hour    *Hour
	hourEnd int64
	result  Result
}

// Run plays one configuration.
func Run(c Config) (Result, error) {
	if err := c.Validate(); err != nil {
		return Result{}, err
	}
	c = c.onPlatform(PlatformOf(c.Scheme))
	e := start(&c)
	e.play()
	return e.finish(), nil
}

// counted is the time whose queries and costs are counted.
func (c *Config) counted() (from, end int64) {
	length := c.For
	if length == 0 || length > c.Trace.Duration()-c.From {
		length = c.Trace.Duration() - c.From
	}
	from = c.From.Microseconds()
	return from - from%second, (c.From + length).Microseconds()
}

func start(c *Config) *engine {
	e := &engine{cfg: c, live: true, platform: PlatformOf(c.Scheme)}
	e.from, e.end = c.counted()
	begin := max(0, e.from-c.Warmup.Microseconds())
	begin -= begin % second
	random := func(concern uint64) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, concern)) }
	e.arrivals = newStream(c.Trace, begin, e.end, random(arrivalStream))
	e.mix, e.noise, e.interruptions = random(mixStream), random(serviceStream), random(spotStream)
	e.cut = uint64(c.Strict * (1 << 32))
	e.path, e.leastFactor = micros(c.Settings.PathMS), c.cheapestSpot()
	for i, bound := range []float64{c.RelaxMS, c.StrictMS} {
		e.budget[i] = micros(bound - c.Settings.PathMS)
	}
	e.now = begin
	e.build(begin)
	return e
}

// build makes the pools and their first workers.
func (e *engine) build(begin int64) {
	total := 0.0
	for i := range e.cfg.Pools {
		total += e.cfg.Pools[i].Share
	}
	sum := 0.0
	for i := range e.cfg.Pools {
		p := newPool(i, &e.cfg.Pools[i])
		p.busyTo, p.billedTo, p.warm = begin, begin, e.cfg.warm()
		sum += p.cfg.Share / total
		e.shares = append(e.shares, sum)
		e.pools = append(e.pools, p)
		p.control.start(e, p, begin)
		for range e.firstWorkers(p, begin) {
			e.launch(p, 0)
		}
		e.events.push(event{at: begin + e.tickUS() + e.phaseUS(), kind: tick, pool: p.id})
	}
	e.startSpot(begin)
	e.widest = e.maxModels()
	e.calls = newFunctions(e.cfg, e.widest*len(e.pools))
	e.turnHour()
}

func (e *engine) maxModels() int {
	n := 0
	for _, p := range e.pools {
		n = max(n, len(p.service))
	}
	return n
}

func (e *engine) tickUS() int64 { return int64(e.cfg.Settings.TickSeconds) * second }

// firstWorkers is the stated fleet, or what the first minute needs.
func (e *engine) firstWorkers(p *pool, begin int64) int {
	if e.cfg.Workers >= 0 {
		return e.cfg.Limits.clamp(e.cfg.Workers)
	}
	share := p.cfg.Share / e.totalShare()
	rate := firstRate(e.cfg, time.Duration(begin)*time.Microsecond) * share
	return e.cfg.Limits.clamp(int(math.Ceil(rate * p.control.serviceMS / 1000 / float64(p.runners))))
}

func (e *engine) totalShare() float64 {
	sum := 0.0
	for i := range e.cfg.Pools {
		sum += e.cfg.Pools[i].Share
	}
	return sum
}

// firstRate is the mean rate of the trace's first minute from a time on.
func firstRate(c *Config, from time.Duration) float64 {
	w, err := c.Trace.Window(from, time.Minute)
	if err != nil {
		return 0
	}
	return w.Total() / w.Duration().Seconds()
}

// play runs arrivals and events in the order of time until the arrivals end,
// and then what is left without the controller: what waits is started until it
// expires, and what runs then runs to its end.
func (e *engine) play() {
	for {
		at, ok := e.arrivals.peek()
		if !ok {
			break
		}
		for len(e.events) > 0 && e.events[0].at <= at {
			e.handleNext()
		}
		e.now = at
		e.arrivals.next++
		e.arrive()
	}
	e.bring() // a list that is not full
	e.playTo(e.end)
	e.bill()
	e.live = false
	e.playTo(e.end + int64(e.graceMS()*1000))
	for _, p := range e.pools {
		e.sweep(p, &p.strict)
		e.sweep(p, &p.relaxed)
	}
	e.playTo(math.MaxInt64)
}

// playTo handles the events up to a time, which is then.
func (e *engine) playTo(at int64) {
	for len(e.events) > 0 && e.events[0].at <= at {
		e.handleNext()
	}
	e.now = at
}

// sweep ends what still waits and has expired.
func (e *engine) sweep(p *pool, q *queue) {
	for q.n > 0 {
		j := q.pop(p.service)
		e.expired(&j)
	}
}

// graceMS is how long the last queries are waited for: until they expire.
func (e *engine) graceMS() float64 {
	var accepted time.Time
	return query.Milliseconds(query.ExpiresAt(accepted, e.cfg.longestMS()).Sub(accepted))
}

// handleNext handles the soonest event.
func (e *engine) handleNext() {
	ev := e.events[0]
	e.now = ev.at
	p := e.pools[ev.pool]
	switch ev.kind {
	case runEnds:
		e.runEnds(p, ev)
		return
	case workerBoots:
		e.events.pop()
		e.workerBooted(p, ev)
	case handOver:
		e.events.pop()
		p.armed = false
		e.handOver(p)
	case heldIsDue:
		e.events.pop()
		if w := &p.workers[ev.ref]; w.generation == ev.generation && w.state != absent {
			e.handOverHeld(p, int(ev.ref))
			e.startHeld(p, int(ev.ref))
		}
	case environmentFree:
		e.events.pop()
		e.calls.release(int(ev.ref), e.now)
	case functionEnds:
		e.events.pop()
		e.functionEnds(ev.ref)
	case spotNotice:
		e.events.pop()
		e.takeBack(p, ev)
	case spotChanges:
		e.events.pop()
		e.changeSpot()
	case warmPrepared:
		e.events.pop()
		p.warm++
	case tick:
		e.events.pop()
		e.tick(p)
	}
}
