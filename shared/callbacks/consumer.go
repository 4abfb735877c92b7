package callbacks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Ends ends queries that nobody answered in time.
type Ends interface {
	PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error)
}

// Consumer makes the callbacks that messages tell of. Two messages of a query at least
// come, in any order: one that was sent before the query was accepted, and one by
// whoever stored its record. Whichever comes first claims the callback and makes it; the
// others find on the record that it is made. All is required.
type Consumer struct {
	Caller
	Callbacks platform.Callbacks
	Records   Ends
}

const (
	// claimTime is for how long nobody else makes a callback: longer than a try.
	claimTime = tryTime + 10*time.Second
	// expiryGrace is how long after its expiry a query without a record is ended: an
	// outcome that began to be stored before is stored by then.
	expiryGrace = 2 * time.Second
)

// Most at once, of the calls to one host. With MostMessages to a batch and two batches at
// once they are as many as on one machine.
const (
	MostMessages = mostCalls / MostBatches
	MostBatches  = 2
	hostInBatch  = mostOfHost / MostBatches
)

// HandleAll handles the messages of a batch side by side, and returns the error of each
// that is to come again, by its place. While a call to a host fails, its other messages
// of the batch are put off, so that a host that is down holds up no other.
func (c *Consumer) HandleAll(ctx context.Context, batch []platform.CallbackMessage) []error {
	errs := make([]error, len(batch))
	byHost := map[string]*lane{}
	for i, m := range batch {
		host := callback.HostOf(m.Query.Callback)
		if byHost[host] == nil {
			byHost[host] = &lane{}
		}
		byHost[host].places = append(byHost[host].places, i)
	}
	var all sync.WaitGroup
	for _, l := range byHost {
		for range min(hostInBatch, len(l.places)) {
			all.Go(func() {
				for {
					i, ok := l.take()
					if !ok {
						return
					}
					errs[i] = c.handle(ctx, batch[i], &l.down)
				}
			})
		}
	}
	all.Wait()
	return errs
}

// lane is the messages of one host.
type lane struct {
	mu     sync.Mutex
	places []int
	down   atomic.Bool // a call failed
}

func (l *lane) take() (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.places) == 0 {
		return 0, false
	}
	i := l.places[0]
	l.places = l.places[1:]
	return i, true
}

// handle makes the callback of a message if it is time, and it is owed. Without an error
// the message is over: it has been sent again if it is to come later.
func (c *Consumer) handle(ctx context.Context, m platform.CallbackMessage, down *atomic.Bool) error {
	now := c.Now()
	if now.Before(m.DueAt) {
		return c.putOff(ctx, m, m.DueAt)
	}
	if down.Load() {
		return c.putOff(ctx, m, now.Add(callback.Wait(1, c.Draw())))
	}
	r, err := c.Callbacks.ClaimCallback(ctx, m.Query.ID, m.Tries, now.Add(claimTime))
	switch {
	case errors.Is(err, platform.ErrNotFound):
		return c.unended(ctx, m, now)
	case errors.Is(err, platform.ErrConflict): // who has it may die
		return c.putOff(ctx, m, now.Add(claimTime))
	case errors.Is(err, platform.ErrCallbackOver):
		return nil
	case err != nil:
		return err
	}
	call := platform.Callback{ID: m.Query.ID, URL: m.Query.Callback, EndedAt: endedAt(r), Tries: m.Tries}
	err = c.call(ctx, call, r)
	if ctx.Err() != nil { // this process ends: the message comes again
		return fmt.Errorf("make the callback of query %s: %w", call.ID, ctx.Err())
	}
	next, became := c.after(call, err)
	if became != again {
		return c.Callbacks.EndCallback(ctx, call.ID)
	}
	down.Store(true)
	m.Tries = next.Tries
	if err := c.putOff(ctx, m, next.DueAt); err != nil {
		return err
	}
	return c.Callbacks.RetryCallback(ctx, call.ID, m.Tries)
}

// endedAt is when the query of a record ended.
func endedAt(r query.Record) time.Time {
	if r.Outcome == nil {
		return r.ExpiresAt
	}
	return r.Outcome.FinishedAt
}

// putOff sends a message again, for later.
func (c *Consumer) putOff(ctx context.Context, m platform.CallbackMessage, at time.Time) error {
	m.DueAt = at
	return c.Callbacks.SendCallback(ctx, m)
}

// unended puts a message off until its query has ended, and ends a query that has
// expired as any reader does.
func (c *Consumer) unended(ctx context.Context, m platform.CallbackMessage, now time.Time) error {
	q := m.Query
	switch late := q.ExpiresAt.Add(expiryGrace); {
	case !now.Before(q.ForgetAt):
		c.Log.Warn("gave up a callback: the query is no longer stored", "query", q.ID, "host", callback.HostOf(q.Callback))
		return nil
	case now.Before(late):
		return c.putOff(ctx, m, late)
	}
	if _, _, err := c.Records.PutRecord(ctx, q.Ended(query.Unanswered(q.AcceptedAt, q.ExpiresAt, now))); err != nil {
		return fmt.Errorf("store that query %s is expired: %w", q.ID, err)
	}
	return c.putOff(ctx, m, now)
}
