package serving

import (
	"context"
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	mostReceived = 10 // messages at once, as the queues allow
	errorPause   = 250 * time.Millisecond
	// refill is the room that a busy worker waits for before it asks for more
	// relaxed queries, so that one request brings several.
	refill = 5
	// A full worker reads the strict queue for a tenth of the time at most, or what it
	// reads to give back would take the processor from what it runs: inputs of a megabyte
	// on a busy machine. mostPause bounds the pause that makes it so.
	pausePerRead = 9
	mostPause    = time.Second
)

// room returns how many queries of a class may be received now, and how long
// until there is room for one.
func (w *Worker) room(class query.Class) (int, time.Duration) {
	inHand := w.leases.len()
	w.mu.Lock()
	defer w.mu.Unlock()
	if class == query.Relaxed && (!w.strictEmpty || w.queue.Len(query.Strict) > 0) {
		return 0, time.Hour // strict ones first; a change notifies
	}
	n, in := w.queue.Room(class, w.Now(), query.Duration(w.Settings().LookAheadMS), w.longest.medianMS(w.Catalogue.Current(), w.InstanceType))
	if left := heldPerRunner*w.Runners - inHand; left < n {
		return max(0, left), errorPause
	}
	return n, in
}

// receiveStrict receives strict queries while there is room. While there is
// none it polls every bounce_poll_ms, or less often where that takes long, for those that
// would start too late here.
func (w *Worker) receiveStrict(ctx context.Context) {
	var again time.Time // when to poll next
	for ctx.Err() == nil {
		changed := w.changes()
		n, in := w.room(query.Strict)
		if n > 0 {
			w.pollStrict(ctx, n)
			continue
		}
		if w.allowed().strict {
			next := again.Sub(w.Now())
			if next <= 0 {
				again = w.pollFull(ctx)
				continue
			}
			in = min(in, next)
		}
		pause(ctx, changed, in)
	}
}

// pollStrict asks for what is there, and only then waits: the relaxed queue is
// open while the strict one is known to be empty.
func (w *Worker) pollStrict(ctx context.Context, n int) {
	ds := w.receive(ctx, query.Strict, n, 0)
	w.setStrictEmpty(len(ds) == 0)
	if len(ds) == 0 {
		ds = w.receive(ctx, query.Strict, n, w.PollWait)
		w.setStrictEmpty(len(ds) == 0)
	}
	w.admit(ctx, ds)
}

func (w *Worker) setStrictEmpty(empty bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.strictEmpty != empty {
		w.strictEmpty = empty
		w.notifyLocked()
	}
}

// receiveRelaxed receives relaxed queries while there is room and no strict
// one waits. While there is none it looks every bounce_poll_ms for those that
// must be handed over, if that is allowed.
func (w *Worker) receiveRelaxed(ctx context.Context) {
	var lastPoll time.Time // at the queue, for those
	for ctx.Err() == nil {
		changed := w.changes()
		n, in := w.room(query.Relaxed)
		if n > 0 && n < refill && w.supplied() {
			n, in = 0, errorPause // a run that ends is a change, and makes more room
		}
		if n == 0 {
			if w.allowed().relaxed {
				lastPoll = w.watch(ctx, lastPoll)
				in = min(in, query.Duration(w.Settings().BouncePollMS))
			}
			pause(ctx, changed, in)
			continue
		}
		w.admit(ctx, w.receive(ctx, query.Relaxed, n, w.PollWait))
	}
}

// supplied reports whether every runner has a relaxed query that waits for it.
func (w *Worker) supplied() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queue.Len(query.Relaxed) >= w.Runners
}

// pollFull is poll, and returns when to poll next.
func (w *Worker) pollFull(ctx context.Context) time.Time {
	began, every := w.Now(), query.Duration(w.Settings().BouncePollMS)
	w.poll(ctx)
	ended := w.Now()
	if pause := min(mostPause, pausePerRead*ended.Sub(began)); pause > every {
		return ended.Add(pause)
	}
	return began.Add(every)
}

// poll is a full worker's read of the strict queue: it takes what is there,
// hands over what would be late, and gives the rest back for others to take.
// It looks again at once while that brings late ones to light.
func (w *Worker) poll(ctx context.Context) {
	for ctx.Err() == nil {
		ds := w.receive(ctx, query.Strict, mostReceived, 0)
		if handedOver := w.admit(ctx, ds); handedOver == 0 || len(ds) < mostReceived {
			return
		}
	}
}

// receive asks a work queue once. After an error it waits a little, so that
// callers may ask again at once.
func (w *Worker) receive(ctx context.Context, class query.Class, n int, wait time.Duration) []platform.Delivery {
	q := platform.WorkQueue(w.Pool, class)
	ds, err := w.Queues.Receive(ctx, q, min(n, mostReceived), w.leaseOf(class), wait)
	switch {
	case errors.Is(err, platform.ErrRevoked):
		w.kill(platform.ErrRevoked)
	case err != nil && ctx.Err() == nil:
		w.Log.Warn("could not receive", "worker", w.ID, "queue", q, "error", err)
		pause(ctx, nil, errorPause)
	}
	return ds
}
