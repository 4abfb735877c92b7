package balancer

import (
	"context"
	"net/http"
	"time"
)

const (
	// readAfter is for how long a request has had no answer when it is first read for
	// how long it may have none: most are answered by then.
	readAfter = 100 * time.Millisecond
	// overdueProbe bounds the check of a target that holds an overdue request. The check
	// begins overdueLead before the request is overdue: there is time left to hand it over,
	// also on a machine whose cores are busy.
	overdueProbe = 100 * time.Millisecond
	overdueLead  = 4 * overdueProbe
)

// Overdue says until when a request may be with a target that does not answer. A target
// that answers its health check by then keeps the request, as nothing is faster, until it
// leaves one of Run's without an answer.
type Overdue struct {
	// After is after how long without an answer a request is overdue; false for one that
	// never is. It may read the body.
	After func(*http.Request) (time.Duration, bool)
	// Handler answers an overdue request, which came at a time.
	Handler func(w http.ResponseWriter, r *http.Request, came time.Time)
	// Frozen is called with a target that did not answer the check of an overdue request,
	// before Handler. Optional.
	Frozen func(id string)
}

// after is After. A request that makes it panic is never overdue, and ends nothing else.
func (o *Overdue) after(r *http.Request) (after time.Duration, ok bool) {
	defer func() {
		if recover() != nil {
			after, ok = 0, false
		}
	}()
	return o.After(r)
}

// watch takes an attempt's request from its target once it is overdue and the target does
// not answer, until stop.
func (b *Balancer) watch(a *attempt, r *http.Request, body *body, came time.Time) (stop func()) {
	if b.opts.Overdue == nil || b.opts.Health.Path == "" || a.to.Handler != nil {
		return func() {}
	}
	done := make(chan struct{})
	timer := time.AfterFunc(time.Until(came.Add(readAfter)), func() {
		after, ok := b.opts.Overdue.after(body.replay(r))
		close(done)
		if ok {
			b.takeOverdue(a, came.Add(after))
		}
	})
	return func() {
		if !timer.Stop() {
			<-done // it reads request and body
		}
	}
}

// takeOverdue ends an attempt at a time if its target is frozen then.
func (b *Balancer) takeOverdue(a *attempt, at time.Time) {
	timer := time.NewTimer(time.Until(at.Add(-overdueLead)))
	defer timer.Stop()
	select {
	case <-a.ctx.Done():
		return
	case <-timer.C:
	}
	a.overdue.Store(true)
	ctx, stop := context.WithTimeoutCause(a.ctx, overdueProbe, errTooSlow)
	defer stop()
	if _, err := b.probe(ctx, a.target); err != nil && a.ctx.Err() == nil {
		if b.opts.Overdue.Frozen != nil {
			b.opts.Overdue.Frozen(a.to.ID)
		}
		a.cancel(errOverdue) // nothing where it has ended
	}
}

// abortOverdue takes the overdue requests from a target that left a check without an
// answer. The caller holds the lock.
func (t *target) abortOverdue() {
	for a := range t.outstanding {
		if a.overdue.Load() {
			a.cancel(errOverdue)
		}
	}
}
