package callbacks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Ends ends queries that nobody answered in time.
type Ends interface {
	PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error)
}

// Consumer makes the callbacks that messages name. Two messages of a query at least
// come, in any order: one that was sent before the query was accepted, and one by
// the process that stored its record. Whichever comes first claims the callback and makes it; the
// others find on the record that it is made. All that is exported is required.
type Consumer struct {
	Caller
	Callbacks platform.Callbacks
	Records   Ends

	unresponsive unresponsive
}

const (
	// claimTime is for how long nobody else makes a callback: longer than a try.
	claimTime = tryTime + 10*time.Second
	// expiryGrace is how long after its expiry a query without a record is ended: an
	// outcome that began to be stored before is stored by then.
	expiryGrace = 2 * time.Second
)

// Most at once: messages of a batch, batches of all processes, and calls of a batch to one
// host.
const (
	MostMessages = 10
	MostBatches  = 4
	hostInBatch  = 4
)

// HandleAll handles the messages of a batch side by side, and returns the error of each
// that is to come again, by its place. A host that gave no response is not called again
// until a pause is over, in this batch and in later ones: its callbacks are tried again
// as those of a failed call are, and hold up no other host. After the pause one call is
// made alone, and the others follow if it gets a response.
func (c *Consumer) HandleAll(ctx context.Context, batch []platform.CallbackMessage) []error {
	errs := make([]error, len(batch))
	byHost := map[string][]int{} // places
	for i, m := range batch {
		host := callback.HostOf(m.Query.Callback)
		byHost[host] = append(byHost[host], i)
	}
	var all sync.WaitGroup
	for host, places := range byHost {
		all.Go(func() {
			for len(places) > 0 {
				if _, failing := c.unresponsive.until(host); !failing {
					break
				}
				errs[places[0]] = c.handle(ctx, batch[places[0]])
				places = places[1:]
			}
			left := queueOf(places)
			for range min(hostInBatch, len(left)) {
				all.Go(func() {
					for i := range left {
						errs[i] = c.handle(ctx, batch[i])
					}
				})
			}
		})
	}
	all.Wait()
	return errs
}

// queueOf is a closed channel of places that several goroutines empty.
func queueOf(places []int) <-chan int {
	out := make(chan int, len(places))
	for _, i := range places {
		out <- i
	}
	close(out)
	return out
}

// handle makes the callback of a message if it is time, and it is owed. Without an error
// the message is over: it has been sent again if it is to come later.
func (c *Consumer) handle(ctx context.Context, m platform.CallbackMessage) error {
	now := c.Now()
	if now.Before(m.DueAt) {
		return c.putOff(ctx, m, m.DueAt)
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
	err = c.callResponsive(ctx, call, r)
	if ctx.Err() != nil { // this process ends: the message comes again
		return fmt.Errorf("make the callback of query %s: %w", call.ID, ctx.Err())
	}
	next, became := c.after(call, err)
	if became != again {
		return c.Callbacks.EndCallback(ctx, call.ID)
	}
	m.Tries = next.Tries
	if err := c.putOff(ctx, m, next.DueAt); err != nil {
		return err
	}
	return c.Callbacks.RetryCallback(ctx, call.ID, m.Tries)
}

// callResponsive sends one callback, unless the pause of its host is not over. It
// remembers whether there was a response.
func (c *Consumer) callResponsive(ctx context.Context, call platform.Callback, r query.Record) error {
	host := callback.HostOf(call.URL)
	if until, failing := c.unresponsive.until(host); failing && c.Now().Before(until) {
		return fmt.Errorf("%s gave no response to an earlier call, and is not called until %s", host, until.UTC().Format(time.RFC3339))
	}
	err := c.call(ctx, call, r)
	switch {
	case ctx.Err() != nil: // this process ends
	case errors.Is(err, errNoResponse):
		c.unresponsive.failed(host, c.Now(), c.Draw())
	default:
		c.unresponsive.responded(host)
	}
	return err
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
