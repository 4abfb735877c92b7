// Package schedule is the run queue of one worker: which query starts next, on
// which runner, in which batch, which one is admitted, and which should go
// elsewhere. It is pure: the time is passed in. Serving and the simulator use
// the same queue.
package schedule

import (
	"slices"
	"sort"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Work is what scheduling needs to know of a query that a worker holds.
type Work struct {
	Class      query.Class
	Owner      string // whose it is: callers share the runners fairly
	Model      string
	DeadlineAt time.Time
	// EndBy is the moment by which an admitted query must end; the zero time
	// means its deadline. Admit sets it.
	EndBy  time.Time
	Pinned bool // may not be handed over to the functions
	// Large says that its input is decoded in the background, where other programs of
	// the machine hold it up: how long it took says nothing of other queries of its model.
	Large bool
	P50MS float64 // service time: what it takes others
	P99MS float64 // service time: what it may take itself
	// BatchMax and BatchEachMS say when batching pays: at most BatchMax queries
	// of the model in one inference, each of which then takes BatchEachMS. 0 means never.
	BatchMax    int
	BatchEachMS float64
	// OverflowAt and OverflowBy are between which moments a relaxed query that waits is
	// handed over to an inference function: sizing.RelaxedOverflowWindow. Zero of a query
	// that no function may answer.
	OverflowAt, OverflowBy time.Time
}

// endBy is the moment by which the query must end.
func (w *Work) endBy() time.Time {
	if w.EndBy.IsZero() {
		return w.DeadlineAt
	}
	return w.EndBy
}

// Queue is a worker's runners and the queries that it holds for them, in the
// order in which they start: strict ones before relaxed ones, owners in turn
// (see flow), and of one owner the earliest deadline first. T is what the
// holder knows of a query. A Queue is not safe for concurrent use.
type Queue[T any] struct {
	runners  int
	held     []*entry[T] // in starting order
	running  []run
	tickets  int
	arrivals int
	maxBatch int // as Start was last called; 0 before
	paces    map[paced]*pace
	fair     fairness
	company  Company
	uses     uses
	crowd    crowd

	spare  []*entry[T]     // entries to be used again
	merged []*entry[T]     // room for Add
	free   []time.Duration // room for play
	owners []string        // likewise
	player player
}

// entry is a held query.
type entry[T any] struct {
	work    Work
	item    T
	pace    *pace
	flow    *flow
	costMS  float64 // runner time that its owner pays for it
	tag     float64 // virtual time at which it starts
	arrival int
	few     bool // less of its owner's waited when it came than may run at once
	late    bool // used by displaced
}

// run is a busy runner.
type run struct {
	ticket       int
	owner        string
	class        query.Class
	pace         *pace
	startedAt    time.Time
	lost         time.Duration // crowd.lost then
	p50MS, p99MS float64       // by the profile
	costMS       float64       // as its owner was charged
}

// NewQueue returns the queue of a worker with the given number of runners.
func NewQueue[T any](runners int) *Queue[T] {
	return &Queue[T]{runners: runners, paces: map[paced]*pace{}, fair: fairness{flows: map[flowKey]*flow{}}}
}

// Add holds one more query, whatever it makes late.
func (q *Queue[T]) Add(w Work, item T) { q.hold(q.draft(w), item) }

// hold holds a drafted entry.
func (q *Queue[T]) hold(e *entry[T], item T) {
	q.remember(e)
	e.item = item
	if e.last() {
		e.tag = q.tagOf(e)
		q.held = slices.Insert(q.held, q.place(e, e.tag), e)
		e.flow.add(e.tag, e.costMS, e.work.DeadlineAt)
		return
	}
	merged := q.merged[:0]
	q.with(e, func(e *entry[T], tag float64) {
		e.tag = tag
		merged = append(merged, e)
	})
	q.merged, q.held = q.held, merged
	clear(q.merged)
	e.flow.add(e.tag, e.costMS, e.work.DeadlineAt)
}

// draft makes an entry that is not held yet. Unless it is held then, nothing is
// remembered of its model and owner.
func (q *Queue[T]) draft(w Work) *entry[T] {
	var e *entry[T]
	if n := len(q.spare); n > 0 {
		e, q.spare = q.spare[n-1], q.spare[:n-1]
	} else {
		e = new(entry[T])
	}
	e.work, e.pace = w, q.paces[w.paced()]
	q.arrivals++
	e.arrival = q.arrivals
	e.flow = q.fair.flows[flowKey{w.Owner, w.Class}]
	e.few = e.flow == nil || e.flow.held < MostRuns(q.runners)
	e.costMS = w.P50MS * e.pace.last()
	return e
}

// remember keeps the pace of a model and the flow of an owner that were not known.
func (q *Queue[T]) remember(e *entry[T]) {
	if e.pace == nil {
		e.pace = &pace{}
		q.paces[e.work.paced()] = e.pace
	}
	if e.flow == nil {
		e.flow = q.fair.open(flowKey{e.work.Owner, e.work.Class}, len(q.held))
	}
}

// recycle keeps an entry for later use, without what it held.
func (q *Queue[T]) recycle(e *entry[T]) {
	*e = entry[T]{}
	q.spare = append(q.spare, e)
}

// Len returns how many queries of a class are held and not running.
func (q *Queue[T]) Len(class query.Class) int {
	strict := sort.Search(len(q.held), func(i int) bool { return q.held[i].work.Class != query.Strict })
	if class == query.Strict {
		return strict
	}
	return len(q.held) - strict
}

// Busy returns how many runners run. With express runs it is all of them.
func (q *Queue[T]) Busy() int { return min(len(q.running), q.runners) }

// WorkMS returns the work of a class held and running, in milliseconds of one
// runner, as fast as runs are now.
func (q *Queue[T]) WorkMS(class query.Class, now time.Time) float64 {
	ms := 0.0
	for _, e := range q.held {
		if e.work.Class == class {
			ms += e.work.P50MS * e.pace.ratio(now)
		}
	}
	for i := range q.running {
		if r := &q.running[i]; r.class == class {
			ms += query.Milliseconds(r.left(now))
		}
	}
	return ms
}

// Run is what one runner starts: one query, or a batch of one model.
type Run[T any] struct {
	Ticket int // for Done
	Works  []Work
	Items  []T
}

// Start takes the first query, with those behind it that join its batch, and
// counts a runner as busy until Done or Abort. It is false when no query is
// held, or no runner is free and no express run is due. maxBatch bounds a batch;
// 1 or less means no batching.
func (q *Queue[T]) Start(now time.Time, maxBatch int) (Run[T], bool) {
	q.maxBatch = max(1, maxBatch)
	if !q.mayStart(now) {
		return Run[T]{}, false
	}
	at, n := q.pick(now)
	if n == 0 {
		return Run[T]{}, false
	}
	q.crowd.count(now, len(q.running), q.runners)
	first := q.held[at]
	r := run{lost: q.crowd.lost, owner: first.work.Owner, class: first.work.Class, pace: first.pace, startedAt: now, p50MS: first.work.P50MS, p99MS: first.work.P99MS}
	if n > 1 {
		r.p50MS = float64(n) * first.work.BatchEachMS
		r.p99MS = max(r.p50MS, r.p99MS)
	}
	q.tickets++
	r.ticket = q.tickets
	out := newRun[T](n)
	out.Ticket = r.ticket
	for i, e := range q.held[at : at+n] {
		out.Works[i], out.Items[i] = e.work, e.item
		q.company.Started(now, e.work.Owner)
		r.costMS += e.costMS
		q.uses.count(now, e.work.Owner, e.costMS, q.runners)
		q.fair.start(e.flow, e.work.Class, e.tag, e.costMS)
		q.recycle(e)
	}
	q.running = append(q.running, r)
	q.held = slices.Delete(q.held, at, at+n)
	return out, true
}

// newRun makes room for a run, in one allocation where it is of one query.
func newRun[T any](n int) Run[T] {
	if n > 1 {
		return Run[T]{Works: make([]Work, n), Items: make([]T, n)}
	}
	var one struct {
		works [1]Work
		items [1]T
	}
	alone := &one
	return Run[T]{Works: alone.works[:], Items: alone.items[:]}
}

// pick returns which of the held queries starts now, and how many of those behind
// it run with it; 0 when none may. It is the first, unless the free runner is kept
// from its owner (see Company). Only neighbors in the starting order join, so that
// nobody is passed over; every free runner gets its part; and a query joins only
// when all still meet their deadlines.
func (q *Queue[T]) pick(now time.Time) (at, n int) {
	if q.keptFromNone(now) && (len(q.held) == 1 || q.maxBatch == 1 || q.held[0].work.BatchMax < 2) {
		return 0, 1
	}
	p := q.play(now)
	waits := "" // whose queries were passed over
	for i, e := range q.held {
		s := q.fit(p, e, len(q.held)-i)
		switch {
		case n == 0 && s.start > 0:
			waits = e.work.Owner
			p.take()
			p.last.most = 0 // nobody joins what does not start
			continue
		case n > 0 && (s.n == 1 || at > 0 && e.work.Owner == waits):
			return at, n
		case n == 0:
			at = i
		}
		p.take()
		n++
	}
	return at, n
}

// Done frees the runner of a Run that ended now, learns from how long it ran,
// and returns that; 0 for a ticket that does not run.
func (q *Queue[T]) Done(ticket int, now time.Time) time.Duration {
	r, ok := q.end(ticket, now)
	if !ok {
		return 0
	}
	took := now.Sub(r.startedAt)
	q.uses.count(now, r.owner, max(0, query.Milliseconds(took)-r.costMS), q.runners)
	r.pace.measure(now, query.Milliseconds(took), query.Milliseconds(q.crowd.lost-r.lost), r.p50MS)
	return took
}

// Abort frees the runner of a Run that says nothing of how long runs take: it
// failed, or there was nothing left to run.
func (q *Queue[T]) Abort(ticket int, now time.Time) { q.end(ticket, now) }

func (q *Queue[T]) end(ticket int, now time.Time) (run, bool) {
	q.crowd.count(now, len(q.running), q.runners)
	for i, r := range q.running {
		if r.ticket != ticket {
			continue
		}
		last := len(q.running) - 1
		q.running[i] = q.running[last]
		q.running[last] = run{}
		q.running = q.running[:last]
		if last == 0 && len(q.held) == 0 {
			q.fair.idle()
		}
		return r, true
	}
	return run{}, false
}

// Remove removes and returns the held queries that match, in starting order.
func (q *Queue[T]) Remove(match func(T) bool) []T {
	var out []T
	for i := 0; i < len(q.held); {
		if e := q.held[i]; match(e.item) {
			out = append(out, e.item)
			q.pull(i)
		} else {
			i++
		}
	}
	return out
}
