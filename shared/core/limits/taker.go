package limits

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Shared keeps the State for all processes.
type Shared interface {
	// ReadShared returns a value and its version; nil and 0 when there is none.
	ReadShared(ctx context.Context, name string) (value []byte, version int64, err error)
	// SwapShared stores a value if the version is still the one given. After an
	// error other than Options.Conflict it may have been stored or not.
	SwapShared(ctx context.Context, name string, value []byte, version int64) (int64, error)
}

// Options of a Taker. All are required.
type Options struct {
	Store    Shared
	Name     string // of the State in the store
	Conflict error  // SwapShared's error when the version has changed: nothing was stored
	Now      func() time.Time
	Jitter   func(limit time.Duration) time.Duration // a random time below the limit
}

const (
	// blockTime is how long what was taken to spare may be spent: so late at most
	// does a lowered limit hold, and an idle process let go.
	blockTime = 10 * time.Second
	// longTime is how long that is where nearly everything is free (roomy): a
	// process that has a query now and then, as a function's does, need not ask for
	// each. A limit that has changed ends it after blockTime all the same.
	longTime = 10 * time.Minute
	// roomyShare is the share of places and money that may be taken where nearly
	// everything is free: what is free divided by it. At most this is held for longTime
	// by processes that do not use it.
	roomyShare = 8
	// tries and the pauses between them bound how long a change is fought for.
	tries      = 10
	firstPause = 10 * time.Millisecond
	lastPause  = 160 * time.Millisecond
	// changeTime bounds one change of the State with all its tries.
	changeTime = 3 * time.Second
	// A refusal holds for a while without asking again. A place may become free
	// at any moment, money only as others give it back.
	fullTime, spentTime = 100 * time.Millisecond, time.Second
)

// ErrUnknown says that the State could not be read or changed.
var ErrUnknown = errors.New("the store did not answer, so it is unknown whether the limits on overflow allow another query")

// Query is what wants to run on a function.
type Query struct {
	CostUSD float64       // expected
	Hold    time.Duration // within which it has certainly ended
}

// Taker takes leases for the queries of one process. It is safe for concurrent use.
type Taker struct {
	o Options

	mu      sync.Mutex
	block   block     // what may be used without asking
	waiting []*waiter // for the change under way, or the next, oldest first
	busy    bool      // a change is under way
	limits  Limits    // as last given
	refused refusal
	recent  recent
	least   picoUSD // the cheapest query of the last ask
	left    picoUSD // of the budget, after the last change
}

// block is what a process holds and does not use. Idle places are those of one
// or more leases, by their end.
type block struct {
	hour  int64
	money picoUSD
	until time.Time // when its money is given back
	sure  time.Time // until when it may be spent although the limits have changed
	idle  map[int64]int
	tight bool // little was free when it was taken
	of    Limits
}

// over reports whether no query may use the block any more.
func (b *block) over(now time.Time, l Limits) bool {
	return !now.Before(b.until) || b.of != l && !now.Before(b.sure)
}

// waiter is a query that waits for a change.
type waiter struct {
	cost  picoUSD
	hold  time.Duration
	asked bool       // the change under way counts it
	again bool       // it asks for the second time
	done  chan error // holds the one answer
	lease *Lease
}

// refusal is remembered for a while.
type refusal struct {
	err    error
	until  time.Time
	limits Limits
	cost   picoUSD // this much was not there
}

// recent is what was used since the last change.
type recent struct {
	since   time.Time
	money   picoUSD
	running int
	peak    int // of running
}

// NewTaker returns a taker that holds nothing.
func NewTaker(o Options) *Taker { return &Taker{o: o, block: block{idle: map[int64]int{}}} }

// Lease lets one query run on a function until it ends.
type Lease struct {
	t    *Taker
	cost picoUSD
	hour int64
	endS int64 // of its place
	over bool  // guarded by t.mu
}

// Take returns a lease for a query: at once when the process holds enough, else
// by a change of the State, for at most as long as ctx allows. ErrBudget,
// ErrConcurrency or ErrUnknown when there is none: the query must not overflow.
func (t *Taker) Take(ctx context.Context, l Limits, q Query) (*Lease, error) {
	w := &waiter{cost: max(1, pico(q.CostUSD)), hold: q.Hold, done: make(chan error, 1)}
	if err, ok := t.now(l, w); ok {
		return w.lease, err
	}
	select {
	case err := <-w.done:
		return w.lease, err
	case <-ctx.Done():
		return nil, t.abandon(ctx, w)
	}
}

// now answers a query from what is held or was refused a moment ago, if it can.
func (t *Taker) now(l Limits, w *waiter) (err error, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Now()
	t.limits = l
	if l.Concurrency < 1 {
		return ErrConcurrency, true
	}
	if pico(l.BudgetUSD) < 1 {
		return ErrBudget, true
	}
	if len(t.waiting) == 0 && t.serve(now, w) {
		return nil, true
	}
	if r := t.refused; now.Before(r.until) && r.limits == l && w.cost >= r.cost {
		return r.err, true
	}
	t.waiting = append(t.waiting, w)
	if !t.busy {
		t.busy = true
		go t.change()
	}
	return nil, false
}

// serve makes a lease of what is held, if it suffices.
func (t *Taker) serve(now time.Time, w *waiter) bool {
	b := &t.block
	if b.hour < hourOf(now) || b.over(now, t.limits) || !b.money.covers(w.cost) {
		return false
	}
	endS, ok := b.place(now.Add(w.hold))
	if !ok {
		return false
	}
	w.lease = &Lease{t: t, cost: min(w.cost, b.money), hour: b.hour, endS: endS}
	b.idle[endS]--
	b.money -= w.lease.cost
	t.recent.money += w.lease.cost
	t.recent.running++
	t.recent.peak = max(t.recent.peak, t.recent.running)
	return true
}

// place finds an idle place that is leased until then: the one that ends first.
func (b *block) place(until time.Time) (endS int64, ok bool) {
	for end, n := range b.idle {
		if n > 0 && !time.Unix(end, 0).Before(until) && (!ok || end < endS) {
			endS, ok = end, true
		}
	}
	return endS, ok
}

// abandon ends a query's wait; a lease that came at the same moment goes back.
func (t *Taker) abandon(ctx context.Context, w *waiter) error {
	t.mu.Lock()
	t.waiting = slices.DeleteFunc(t.waiting, func(o *waiter) bool { return o == w })
	lease := w.lease
	t.mu.Unlock()
	if lease != nil {
		lease.Done(0)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
}

// Done ends a lease with what its query cost, in USD, charged in doubt. Its
// place is free for the next query of this process. It is true when others may
// be waiting for the place, so that Flush is of use.
func (l *Lease) Done(costUSD float64) (flush bool) {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.over {
		return false
	}
	l.over = true
	t.recent.running--
	t.block.idle[l.endS]++
	if l.hour == t.block.hour {
		t.block.money += l.cost - pico(costUSD)
	}
	return t.block.tight
}

// Leave gives the lease to a query whose end this process will not see: its
// place ends by itself, and its cost is what was expected.
func (l *Lease) Leave() {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	if !l.over {
		l.over = true
		l.t.recent.running--
	}
}

// Flush gives back what is held and not used: all of it where little was free,
// else money that may no longer be spent. It is for a timer of a second or so, and
// for when Done says so.
func (t *Taker) Flush(ctx context.Context) {
	t.giveBack(ctx, func(now time.Time) bool { return t.block.returnable(now, t.limits) })
}

// Close gives back all that is held and not used, at the end of a process.
func (t *Taker) Close(ctx context.Context) {
	t.giveBack(ctx, func(now time.Time) bool {
		_, idle := t.block.place(now)
		return idle || t.block.money != 0
	})
}

// giveBack changes the State if there is something to give back, which due says.
func (t *Taker) giveBack(ctx context.Context, due func(now time.Time) bool) {
	t.mu.Lock()
	if t.busy || !due(t.o.Now()) {
		t.mu.Unlock()
		return
	}
	t.busy = true
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.change()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// returnable reports whether there is something to give back.
func (b *block) returnable(now time.Time, l Limits) bool {
	if b.hour >= hourOf(now) && b.money != 0 && (b.tight || b.over(now, l)) {
		return true
	}
	_, idle := b.place(now)
	return b.tight && idle
}
