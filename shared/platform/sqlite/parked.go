package sqlite

import (
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// parked holds the receives that found nothing, in order of arrival, a queue
// each. A send hands them its messages in the sender's own transaction, and a
// timer wakes them for the next message that becomes visible: nothing polls.
type parked struct {
	ops   map[platform.QueueName][]*op
	due   map[platform.QueueName]time.Time // when the next message becomes visible
	dirty map[platform.QueueName]bool      // touched since due was set
}

func newParked() parked {
	return parked{
		ops:   map[platform.QueueName][]*op{},
		due:   map[platform.QueueName]time.Time{},
		dirty: map[platform.QueueName]bool{},
	}
}

func (p *parked) add(o *op) {
	p.ops[o.queue] = append(p.ops[o.queue], o)
	p.dirty[o.queue] = true
}

// cancel takes an operation out and returns it, if it is there: it may have
// been served meanwhile.
func (p *parked) cancel(o *op) []*op {
	i := slices.Index(p.ops[o.queue], o)
	if i < 0 {
		return nil
	}
	p.ops[o.queue] = slices.Delete(p.ops[o.queue], i, i+1)
	return []*op{o}
}

// next reports when a parked operation may be served by the clock alone.
func (p *parked) next() (at time.Time, ok bool) {
	for _, t := range p.due {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	return at, ok
}

// serve runs the parked operations of every queue that was touched or has
// come due, and returns those that ended.
func (w *writer) serve(now time.Time) []*op {
	p := &w.parked
	for q, at := range p.due {
		if !at.After(now) {
			p.dirty[q] = true
		}
	}
	var ended []*op
	for q := range p.dirty {
		ended = append(ended, w.serveQueue(q, now)...)
	}
	clear(p.dirty)
	return ended
}

func (w *writer) serveQueue(q platform.QueueName, now time.Time) (ended []*op) {
	p := &w.parked
	waiting := p.ops[q]
	delete(p.ops, q)
	delete(p.due, q)
	for i, o := range waiting {
		if !w.step(o, now) { // parked again: nothing is left for those behind it
			p.ops[q] = append(p.ops[q], waiting[i+1:]...)
			break
		}
		ended = append(ended, o)
	}
	if len(p.ops[q]) > 0 {
		w.setDue(q)
	} else {
		delete(p.ops, q)
	}
	return ended
}

// setDue notes when the queue's next message becomes visible. On a fault the
// queue is looked at again a second later.
func (w *writer) setDue(q platform.QueueName) {
	var at *int64
	_, err := w.stmts.one(`SELECT min(visible_at) FROM messages WHERE queue = ?`, []any{q}, &at)
	switch {
	case err != nil:
		w.parked.due[q] = w.now().Add(time.Second)
	case at != nil:
		w.parked.due[q] = time.Unix(0, *at)
	}
}

// outagePause is how long the parked operations wait after a transaction
// failed: what it would have served may be there still, and a fault that lasts
// must not be tried without a pause.
const outagePause = 100 * time.Millisecond

// checkAt has every queue that is waited for looked at a little later.
func (w *writer) checkAt(now time.Time) {
	for q := range w.parked.ops {
		w.parked.due[q] = now.Add(outagePause)
	}
}
