package balancer

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"time"
)

// Target answers requests: a process at an address, or a Handler in this one.
type Target struct {
	ID string
	// Addr is where it listens: "unix:" and the path of a socket, or "host:port".
	Addr string
	// Shares says that it opened Options.Bodies and reads bodies there.
	Shares bool
	// Handler answers in place of Addr, as a function behind a balancer does. Its
	// answer is collected before it is passed on.
	Handler http.Handler
	// MaxIn and MaxOut bound the bytes of a request's body (413) and of a Handler's
	// answer (502), as for a Lambda target; 0 means without bound.
	MaxIn, MaxOut int64
	// Unhealthy targets get requests only by FailOpen.
	Unhealthy bool
}

// TargetStatus is how a target stands.
type TargetStatus struct {
	ID          string
	Healthy     bool
	Outstanding int
	Sent        int64 // requests, those under way included
	Failed      int64 // of them, those without an answer
}

// target is a Target with its state, which the Balancer's lock guards.
type target struct {
	addr string // Target's; it never changes
	Target
	removed     bool
	outstanding map[*attempt]struct{}
	ofOwner     map[string]int // how many of outstanding are an owner's, with Options.ByOwner
	sent        int64
	failed      int64
	ejected     time.Time // passed over until then
	unwell      bool      // the last check failed
	misses      int       // checks without any answer, in a row
	failures    int       // checks that failed, in a row
	idle        []*link   // the last used at the end
}

// SetTargets replaces the targets. One that stays, by ID and Addr, keeps its
// connections and counts; one that is left out gets no more requests and
// finishes what it has.
func (b *Balancer) SetTargets(ts []Target) {
	b.mu.Lock()
	var closing []*link
	var next []*target
	for _, given := range ts {
		i := slices.IndexFunc(b.targets, func(t *target) bool { return t.ID == given.ID && t.Addr == given.Addr })
		if i < 0 {
			next = append(next, &target{addr: given.Addr, Target: given, outstanding: map[*attempt]struct{}{}, ofOwner: map[string]int{}})
			continue
		}
		b.targets[i].Target = given
		next = append(next, b.targets[i])
	}
	for _, t := range b.targets {
		if slices.Contains(next, t) {
			continue
		}
		t.removed = true
		closing = append(closing, t.idle...)
		t.idle = nil
		if len(t.outstanding) > 0 {
			b.leaving = append(b.leaving, t)
		}
	}
	b.targets = next
	b.mu.Unlock()
	closeAll(closing)
}

// Lose declares a target dead or frozen: it gets no more requests until
// SetTargets names it anew under another address or a check succeeds, and what it
// has not answered goes to others. An ID that is not there does nothing.
func (b *Balancer) Lose(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ts := range [][]*target{b.targets, b.leaving} {
		for _, t := range ts {
			if t.ID == id {
				t.unwell = true
				t.abort()
			}
		}
	}
}

// abort ends what is under way. The caller holds the lock.
func (t *target) abort() {
	for a := range t.outstanding {
		a.cancel(errLost)
	}
}

// Status lists the targets, and then those that are removed and not finished.
func (b *Balancer) Status() []TargetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var out []TargetStatus
	for _, t := range slices.Concat(b.targets, b.leaving) {
		out = append(out, TargetStatus{ID: t.ID, Healthy: !t.removed && t.ready(now), Outstanding: len(t.outstanding),
			Sent: t.sent, Failed: t.failed})
	}
	return out
}

// ready says that a target gets requests. The caller holds the lock.
func (t *target) ready(now time.Time) bool {
	return !t.Unhealthy && !t.unwell && (t.ejected.IsZero() || now.After(t.ejected))
}

// anyReady says whether a request would find a target now.
func (b *Balancer) anyReady() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opts.FailOpen {
		return len(b.targets) > 0
	}
	now := time.Now()
	return slices.ContainsFunc(b.targets, func(t *target) bool { return t.ready(now) })
}

// attempt is one request at one target.
type attempt struct {
	target *target
	to     Target // as it was then
	owner  string // whose request it is, with Options.ByOwner
	ctx    context.Context
	cancel context.CancelCauseFunc
	// overdue says that it goes elsewhere once its target leaves a check without an answer.
	overdue atomic.Bool
}

// acquire counts an owner's request at the target that least finds, of those that were not
// tried; nil when there is none. release gives it back.
func (b *Balancer) acquire(ctx context.Context, owner string, tried []*target) *attempt {
	a := &attempt{owner: owner}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	a.target = b.least(owner, tried, false)
	if a.target == nil && b.opts.FailOpen {
		a.target = b.least(owner, tried, true)
	}
	if a.target == nil {
		a.cancel(nil)
		return nil
	}
	a.to = a.target.Target
	a.target.outstanding[a] = struct{}{}
	a.target.ofOwner[owner]++
	a.target.sent++
	return a
}

// least finds the target with the fewest outstanding requests of the owner, among equals
// the one with the fewest in all, and among those the next in turn. The caller holds the lock.
func (b *Balancer) least(owner string, tried []*target, unready bool) *target {
	var best *target
	at, now := 0, time.Now()
	for i := range b.targets {
		j := (b.next + i) % len(b.targets)
		t := b.targets[j]
		if !unready && !t.ready(now) || slices.Contains(tried, t) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(t.ofOwner[owner], best.ofOwner[owner]), cmp.Compare(len(t.outstanding), len(best.outstanding))) < 0 {
			best, at = t, j
		}
	}
	if best != nil {
		b.next = (at + 1) % len(b.targets)
	}
	return best
}

// release ends an attempt and counts how it went.
func (b *Balancer) release(a *attempt, failed bool) {
	a.cancel(nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	t := a.target
	delete(t.outstanding, a)
	if t.ofOwner[a.owner]--; t.ofOwner[a.owner] == 0 {
		delete(t.ofOwner, a.owner)
	}
	if failed {
		t.failed++
		if b.opts.Eject > 0 {
			t.ejected = time.Now().Add(b.opts.Eject)
		}
	}
	if t.removed && len(t.outstanding) == 0 {
		b.leaving = slices.DeleteFunc(b.leaving, func(l *target) bool { return l == t })
	}
}

func closeAll(links []*link) {
	for _, l := range links {
		_ = l.Close()
	}
}
