package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// maxReceive is the most deliveries of one receive, as everywhere.
const maxReceive = 10

// Receive implements platform.Queues. When ctx ends while a message is being
// handed over, the message is returned rather than the context's error.
func (c *consumer) Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	return c.receive(ctx, q, limit, lease, wait, c.consumers.nextLease())
}

// receive leases messages under a lease number that the caller chose.
func (c *consumer) receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration, number int64) ([]platform.Delivery, error) {
	if limit < 1 || limit > maxReceive || lease <= 0 {
		return nil, fmt.Errorf("receive from %s: the limit of %d messages is outside 1 to %d, or the lease of %v is not above 0", q, limit, maxReceive, lease)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var rows []leased
	o := &op{queue: q, done: make(chan error, 1), run: func(t *tx) (err error) {
		if err := c.consumers.check(c.name); err != nil {
			return err
		}
		if c.consumers.gaveUp(receiveID{c.name, number}) {
			return context.Canceled
		}
		rows, err = t.lease(q, limit, receiver{c.name, number, t.now.Add(lease)}, c.turns)
		switch {
		case err == nil && len(rows) > 0:
			t.touch(q)
		case err == nil && wait > 0:
			return errPark
		}
		return err
	}}
	if err := c.writes.submit(o); err != nil {
		return nil, err
	}
	if err := c.writes.patiently(ctx, o, wait); err != nil {
		return nil, fmt.Errorf("receive from %s: %w", q, err)
	}
	if len(rows) == 0 {
		return nil, ctx.Err()
	}
	ds, err := c.deliveries(q, rows, number)
	if err != nil {
		return nil, errors.Join(err, c.abandon(context.WithoutCancel(ctx), number)) // nobody has them
	}
	return ds, nil
}

// patiently waits for a parked operation until wait is over or ctx ends. Then
// it asks for it back, and takes whatever became of it meanwhile: no message
// is leased to somebody who went away.
func (w *writer) patiently(ctx context.Context, o *op, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err := <-o.done:
		return err
	case <-w.ended:
		return w.answer(o)
	case <-ctx.Done():
	case <-timer.C:
	}
	if err := w.submit(&op{cancel: o}); err != nil {
		return err
	}
	err := w.answer(o)
	if errors.Is(err, errPark) {
		return nil
	}
	return err
}

// leased is a row of a receive.
type leased struct {
	seq      int64
	receives int
	parcel
}

func (h *Backend) deliveries(q platform.QueueName, rows []leased, number int64) ([]platform.Delivery, error) {
	out := make([]platform.Delivery, len(rows))
	for i, r := range rows {
		m, err := h.unpack(r.parcel)
		if err != nil {
			return nil, err
		}
		out[i] = platform.Delivery{Message: m, Receipt: receipt{r.seq, number}.String(), Receives: r.receives, Queue: q}
	}
	return out, nil
}

// receipt proves a lease: the row and the number of the lease on it.
type receipt struct{ seq, lease int64 }

func (r receipt) String() string { return fmt.Sprintf("%d.%d", r.seq, r.lease) }

// parseReceipt reads a receipt; one that this backend never wrote holds no lease.
func parseReceipt(d platform.Delivery) receipt {
	seq, lease, _ := strings.Cut(d.Receipt, ".")
	s, err1 := strconv.ParseInt(seq, 10, 64)
	l, err2 := strconv.ParseInt(lease, 10, 64)
	if err1 != nil || err2 != nil || l <= 0 {
		return receipt{seq: -1, lease: -1}
	}
	return receipt{s, l}
}

// abandon gives back what a receive leased under a number that its caller
// never learned of, and has it lease no more.
func (c *consumer) abandon(ctx context.Context, number int64) error {
	c.consumers.giveUp(receiveID{c.name, number})
	return c.write(ctx, func(t *tx) error {
		return t.each(func(row *sql.Rows) error {
			var q platform.QueueName
			err := row.Scan(&q)
			t.touch(q)
			return err
		}, `UPDATE messages SET visible_at = sent_at, lease = 0, holder = '', receives = receives - 1
			WHERE holder = ? AND lease = ? RETURNING queue`, c.name, number)
	})
}
