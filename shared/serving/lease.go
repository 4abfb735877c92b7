package serving

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// lease is a message in hand.
type lease struct {
	d      platform.Delivery
	endsAt time.Time // as granted last; only the renewer changes it
	until  time.Time // it is never renewed beyond this
	// ctx ends when the lease is lost: somebody else may have the message.
	ctx  context.Context
	lose context.CancelFunc
	wait tracing.Span // until it starts, or leaves
	// reply takes what becomes of a query that is held in its request; nil of one
	// that came by a queue. It holds one, so that who replies never waits.
	reply chan reply
	// predictedMS is after what time a query that is held in its request should end.
	predictedMS float64
}

// leases are the messages in hand, by query.
type leases struct {
	mu   sync.Mutex
	held map[string]*lease
}

// add takes a delivery in hand. It is nil for a second message of a query that
// is in hand already: that one is left to its lease's end, by when the query
// is finished, as giving it back would bring it again at once.
func (ls *leases) add(life context.Context, d platform.Delivery, now time.Time, length time.Duration) *lease {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.held[d.Message.ID] != nil {
		return nil
	}
	l := &lease{d: d, endsAt: now.Add(length), until: d.Message.ExpiresAt.Add(length)}
	l.ctx, l.lose = context.WithCancel(life)
	ls.held[d.Message.ID] = l
	return l
}

// drop takes a message out of hand for good.
func (ls *leases) drop(l *lease) {
	l.lose()
	ls.pass(l)
}

// pass takes a message out of hand that is about to go to a queue, from which
// it may come back before the call that puts it there returns. Its lease is not
// renewed any more: bound that call.
func (ls *leases) pass(l *lease) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.held[l.d.Message.ID] == l {
		delete(ls.held, l.d.Message.ID)
	}
}

func (ls *leases) all() []*lease {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	out := make([]*lease, 0, len(ls.held))
	for _, l := range ls.held {
		out = append(out, l)
	}
	return out
}

func (ls *leases) len() int {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return len(ls.held)
}

// leaseTime is how long messages are leased for at most, and bounds the calls that end them.
func (w *Worker) leaseTime() time.Duration { return seconds(w.Settings().LeaseSeconds) }

// leaseOf is how long messages of a class are leased for.
func (w *Worker) leaseOf(class query.Class) time.Duration {
	return schedule.Lease(class, w.leaseTime())
}

// renew keeps the leases of what is in hand until ctx ends.
func (w *Worker) renew(ctx context.Context) {
	for {
		if settle.Sleep(ctx, w.leaseOf(query.Strict)/3) != nil { // the shortest
			return
		}
		for _, l := range w.leases.all() {
			if l.ctx.Err() == nil {
				w.renewOne(ctx, l, w.leaseOf(l.d.Message.Class))
			}
		}
	}
}

// renewOne renews a lease that has used up a third of its time. One that can
// neither be renewed nor can have time left is lost.
func (w *Worker) renewOne(ctx context.Context, l *lease, length time.Duration) {
	now := w.Now()
	if l.endsAt.Sub(now) > length*2/3 {
		return
	}
	grant := min(length, l.until.Sub(now))
	if grant <= 0 {
		w.lost(l, "the query of the lease has expired")
		return
	}
	call, cancel := context.WithTimeout(ctx, length/3)
	defer cancel()
	err := w.Queues.Extend(call, l.d, grant)
	switch {
	case err == nil:
		l.endsAt = now.Add(grant)
	case errors.Is(err, platform.ErrLeaseLost):
		w.lost(l, "another process holds the lease")
	case !w.Now().Before(l.endsAt):
		w.lost(l, "the lease could not be renewed in time")
	}
}

// lost drops a query that waits; one that runs goes on, and its late outcome
// is refused if another's was stored.
func (w *Worker) lost(l *lease, why string) {
	l.lose()
	w.mu.Lock()
	waiting := w.queue.Remove(func(o *lease) bool { return o == l })
	w.mu.Unlock()
	if len(waiting) > 0 {
		l.wait.End()
		w.leases.drop(l)
		w.notify()
	}
	w.Log.Warn("lost a lease", "worker", w.ID, "query", l.d.Message.ID, "why", why, "waiting", len(waiting) > 0)
}
