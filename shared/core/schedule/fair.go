package schedule

import (
	"slices"
	"sort"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// Callers share the runners by start-time fair queuing (Goyal, Vin, Cheng:
// "Start-time Fair Queuing: A Scheduling Algorithm for Integrated Services
// Packet Switching Networks", SIGCOMM 1996; for several runners SFQ(D), Jin,
// Chase, Kaur: "Interposed Proportional Sharing for a Storage Service Utility",
// SIGMETRICS 2004). All owners weigh the same. Virtual time is in milliseconds
// of runner time of one owner:
//
//   - A query's tag is where its owner's last query before it ends, or the
//     virtual time if that is later: who had no runner lately claims nothing for
//     that, and who had more than others stands behind them.
//   - The lowest tag starts first; equal tags go by deadline, then as they came.
//   - The virtual time is the tag of the query that started last.
//   - Within an owner the earliest deadline takes the lowest tag. A single owner
//     therefore sees plain earliest deadline first, and so do owners that all
//     come to an idle worker.
//
// The classes are apart: strict queries start before relaxed ones, the caller who
// sends them. With F owners that wait and queries of at most L ms, one that
// keeps to its share of the runners waits at most (F-1) L longer than alone.

// flowKey names a flow.
type flowKey struct {
	owner string
	class query.Class
}

// flow is what one owner has in the queue, of one class.
type flow struct {
	held  int
	last  time.Time // no query that it holds has a later deadline
	start float64   // the tag of its first query
	next  float64   // the tag of one more query at its end, if that is above the virtual time
}

// add counts one more query.
func (f *flow) add(tag, costMS float64, deadline time.Time) {
	if f.held == 0 {
		f.start, f.next, f.last = tag, tag, deadline
	}
	if deadline.After(f.last) {
		f.last = deadline
	}
	f.held++
	f.next += costMS
}

// fairness is the virtual time and who had how much of it.
type fairness struct {
	flows   map[flowKey]*flow
	now     [2]float64 // virtual time, by class
	latest  [2]float64 // the end of what has started, by class
	pruneAt int        // number of flows at which those that do not matter are dropped
}

// index is a class's place in an array.
func index(class query.Class) int {
	if class == query.Strict {
		return 0
	}
	return 1
}

// open makes a flow. held is how many queries wait, which bounds how many
// flows are worth keeping.
func (f *fairness) open(key flowKey, held int) *flow {
	if len(f.flows) >= f.pruneAt {
		for k, fl := range f.flows {
			if fl.held == 0 && fl.next <= f.now[index(k.class)] {
				delete(f.flows, k)
			}
		}
		f.pruneAt = 64 + 2*(len(f.flows)+held)
	}
	fl := &flow{}
	f.flows[key] = fl
	return fl
}

// start counts a query that starts: the first of its flow.
func (f *fairness) start(fl *flow, class query.Class, tag, costMS float64) {
	c, end := index(class), tag+costMS
	f.now[c] = max(f.now[c], tag)
	f.latest[c] = max(f.latest[c], end)
	fl.held--
	fl.start = end
	if fl.held == 0 {
		fl.next = end
	}
}

// idle ends a busy period: nobody owes anything any more.
func (f *fairness) idle() {
	for c := range f.now {
		f.now[c] = max(f.now[c], f.latest[c])
	}
}

// tagOf is the tag at which an entry that is not held would start.
func (q *Queue[T]) tagOf(n *entry[T]) float64 {
	now := q.fair.now[index(n.work.Class)]
	if n.flow == nil {
		return now
	}
	if n.flow.held == 0 {
		return max(n.flow.next, now)
	}
	if n.last() {
		return n.flow.next
	}
	if i := q.seek(n, 0, true); i < len(q.held) {
		return q.held[i].tag
	}
	return n.flow.next
}

// pushes reports whether an entry takes the place of another of its owner.
func (n *entry[T]) pushes(e *entry[T]) bool {
	return n.flow != nil && n.flow == e.flow && n.work.DeadlineAt.Before(e.work.DeadlineAt)
}

// last reports whether an entry takes the place of no other of its owner, as it
// comes behind all of them. Most do: bounds are few.
func (n *entry[T]) last() bool {
	return n.flow == nil || n.flow.held == 0 || !n.work.DeadlineAt.Before(n.flow.last)
}

// place is where an entry that pushes no other would be held.
func (q *Queue[T]) place(n *entry[T], tag float64) int {
	return sort.Search(len(q.held), func(i int) bool { return before(n, tag, q.held[i], q.held[i].tag) })
}

// seek returns the first of the held queries from i on that n pushes, or does not push.
func (q *Queue[T]) seek(n *entry[T], i int, pushed bool) int {
	for i < len(q.held) && n.pushes(q.held[i]) != pushed {
		i++
	}
	return i
}

// with visits the held queries and one more in the order in which they would
// start, each with its tag then. Two ordered lists are merged: the queries whose
// tags stay, and the new one with those of its owner behind it, which it pushes
// back by its own cost.
func (q *Queue[T]) with(n *entry[T], visit func(e *entry[T], tag float64)) {
	tag := q.tagOf(n)
	if n.last() {
		at := q.place(n, tag)
		for _, e := range q.held[:at] {
			visit(e, e.tag)
		}
		visit(n, tag)
		for _, e := range q.held[at:] {
			visit(e, e.tag)
		}
		return
	}
	stay, pushed, placed := 0, 0, false
	for {
		stay = q.seek(n, stay, false)
		e, at := n, tag
		if placed {
			if pushed = q.seek(n, pushed, true); pushed < len(q.held) {
				e, at = q.held[pushed], q.held[pushed].tag+n.costMS
			} else {
				e = nil
			}
		}
		switch {
		case stay < len(q.held) && (e == nil || before(q.held[stay], q.held[stay].tag, e, at)):
			visit(q.held[stay], q.held[stay].tag)
			stay++
		case e == nil:
			return
		case !placed:
			placed = true
			visit(n, tag)
		default:
			pushed++
			visit(e, at)
		}
	}
}

// before is the order in which queries start.
func before[T any](a *entry[T], aTag float64, b *entry[T], bTag float64) bool {
	if strict := a.work.Class == query.Strict; strict != (b.work.Class == query.Strict) {
		return strict
	}
	if aTag != bTag {
		return aTag < bTag
	}
	if c := a.work.DeadlineAt.Compare(b.work.DeadlineAt); c != 0 {
		return c < 0
	}
	return a.arrival < b.arrival
}

// pull removes a held query that leaves without having run. Nobody pays for it:
// those of its owner behind it take its tag, and may start earlier than before.
func (q *Queue[T]) pull(i int) {
	e := q.held[i]
	e.flow.held--
	e.flow.next = e.tag
	q.held = slices.Delete(q.held, i, i+1)
	if e.flow.held == 0 {
		q.recycle(e)
		return
	}
	for _, behind := range q.held[i:] {
		if behind.flow == e.flow {
			behind.tag = e.flow.next
			e.flow.next += behind.costMS
		}
	}
	q.recycle(e)
	slices.SortFunc(q.held[i:], func(a, b *entry[T]) int {
		if before(a, a.tag, b, b.tag) {
			return -1
		}
		return 1
	})
}
