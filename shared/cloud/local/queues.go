package local

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

// maxReceive is the most deliveries of one receive, as everywhere.
const maxReceive = 10

// parcel is a message as the file keeps it: the input's data apart, as it is
// neither text nor worth escaping.
type parcel struct{ message, data []byte }

func pack(m query.Message) (parcel, error) {
	data := m.Input.Data
	m.Input.Data = nil
	text, err := json.Marshal(m)
	if err != nil {
		return parcel{}, fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	return parcel{message: text, data: data}, nil
}

func (p parcel) unpack() (query.Message, error) {
	var m query.Message
	if err := json.Unmarshal(p.message, &m); err != nil {
		return m, fmt.Errorf("decode a message: %w", err)
	}
	m.Input.Data = p.data
	return m, nil
}

// Send implements cloud.Queues.
func (c *consumer) Send(ctx context.Context, q cloud.QueueName, msgs ...query.Message) error {
	parcels := make([]parcel, len(msgs))
	for i, m := range msgs {
		var err error
		if parcels[i], err = pack(m); err != nil {
			return err
		}
	}
	return c.write(ctx, func(t *tx) error {
		for _, p := range parcels {
			if err := c.put(t, q, p); err != nil {
				return fmt.Errorf("send to %s: %w", q, err)
			}
		}
		return nil
	})
}

// put stores a message on a queue, as often and as late as chaos wants.
func (h *Home) put(t *tx, q cloud.QueueName, p parcel) error {
	t.touch(q)
	for _, at := range h.chaos.fates(t.now) {
		_, err := t.exec(`INSERT INTO messages (queue, visible_at, sent_at, message, data) VALUES (?, ?, ?, ?, ?)`,
			q, at.UnixNano(), t.now.UnixNano(), p.message, p.data)
		if err != nil {
			return err
		}
	}
	return nil
}

// Receive implements cloud.Queues. When ctx ends while a message is being
// handed over, the message is returned rather than the context's error.
func (c *consumer) Receive(ctx context.Context, q cloud.QueueName, limit int, lease, wait time.Duration) ([]cloud.Delivery, error) {
	return c.receive(ctx, q, limit, lease, wait, c.consumers.nextLease())
}

// receive leases messages under a lease number that the caller chose.
func (c *consumer) receive(ctx context.Context, q cloud.QueueName, limit int, lease, wait time.Duration, number int64) ([]cloud.Delivery, error) {
	if limit < 1 || limit > maxReceive || lease <= 0 {
		return nil, fmt.Errorf("receive from %s: limit %d is outside 1 to %d, or lease %v is none", q, limit, maxReceive, lease)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var rows []leased
	o := &op{queue: q, done: make(chan error, 1), run: func(t *tx) (err error) {
		if err := c.consumers.check(c.name); err != nil {
			return err
		}
		if rows, err = t.lease(q, limit, lease, number, c.name); err == nil && len(rows) == 0 && wait > 0 {
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
	return deliveries(q, rows, number)
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

const visible = `SELECT seq, receives, message, data FROM messages
	WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, seq LIMIT ?`

// lease takes visible messages, the longest visible first.
func (t *tx) lease(q cloud.QueueName, limit int, lease time.Duration, number int64, holder string) ([]leased, error) {
	var rows []leased
	err := t.each(func(row *sql.Rows) error {
		var r leased
		err := row.Scan(&r.seq, &r.receives, &r.message, &r.data)
		rows = append(rows, r)
		return err
	}, visible, q, t.now.UnixNano(), limit)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	t.touch(q)
	until := t.now.Add(lease).UnixNano()
	for i := range rows {
		rows[i].receives++
		_, err := t.exec(`UPDATE messages SET visible_at = ?, lease = ?, holder = ?, receives = receives + 1 WHERE seq = ?`,
			until, number, holder, rows[i].seq)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func deliveries(q cloud.QueueName, rows []leased, number int64) ([]cloud.Delivery, error) {
	out := make([]cloud.Delivery, len(rows))
	for i, r := range rows {
		m, err := r.unpack()
		if err != nil {
			return nil, err
		}
		out[i] = cloud.Delivery{Message: m, Receipt: receipt{r.seq, number}.String(), Receives: r.receives, Queue: q}
	}
	return out, nil
}

// receipt proves a lease: the row and the number of the lease on it.
type receipt struct{ seq, lease int64 }

func (r receipt) String() string { return fmt.Sprintf("%d.%d", r.seq, r.lease) }

// parseReceipt reads a receipt; one that this home never wrote holds no lease.
func parseReceipt(d cloud.Delivery) receipt {
	seq, lease, _ := strings.Cut(d.Receipt, ".")
	s, err1 := strconv.ParseInt(seq, 10, 64)
	l, err2 := strconv.ParseInt(lease, 10, 64)
	if err1 != nil || err2 != nil || l <= 0 {
		return receipt{seq: -1, lease: -1}
	}
	return receipt{s, l}
}

// changed tells whether a statement found its row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// Extend implements cloud.Queues.
func (c *consumer) Extend(ctx context.Context, d cloud.Delivery, lease time.Duration) error {
	r := parseReceipt(d)
	return c.write(ctx, func(t *tx) error {
		held, err := changed(t.exec(`UPDATE messages SET visible_at = ? WHERE seq = ? AND lease = ? AND visible_at > ?`,
			t.now.Add(lease).UnixNano(), r.seq, r.lease, t.now.UnixNano()))
		if err == nil && !held {
			err = cloud.ErrLeaseLost
		}
		if err != nil {
			return fmt.Errorf("extend the lease of %s: %w", d.Message.ID, err)
		}
		t.touch(d.Queue)
		return nil
	})
}

// Delete implements cloud.Queues. A lease that ran out while nobody else took
// the message still counts, as it spares a second run.
func (c *consumer) Delete(ctx context.Context, ds ...cloud.Delivery) error {
	return c.write(ctx, func(t *tx) error {
		for _, d := range ds {
			r := parseReceipt(d)
			if _, err := t.exec(`DELETE FROM messages WHERE seq = ? AND lease = ?`, r.seq, r.lease); err != nil {
				return fmt.Errorf("delete %s: %w", d.Message.ID, err)
			}
		}
		return nil
	})
}

// Release implements cloud.Queues. A message goes back to its old place.
func (c *consumer) Release(ctx context.Context, ds ...cloud.Delivery) error {
	return c.write(ctx, func(t *tx) error {
		for _, d := range ds {
			r := parseReceipt(d)
			_, err := t.exec(`UPDATE messages SET visible_at = sent_at, lease = 0, holder = '', receives = receives - 1
				WHERE seq = ? AND lease = ?`, r.seq, r.lease)
			if err != nil {
				return fmt.Errorf("release %s: %w", d.Message.ID, err)
			}
			t.touch(d.Queue)
		}
		return nil
	})
}

// Move implements cloud.Queues, in one transaction: here a crash leaves the
// message on exactly one of the two queues.
func (c *consumer) Move(ctx context.Context, d cloud.Delivery, to cloud.QueueName, m query.Message) error {
	r := parseReceipt(d)
	p, err := pack(m)
	if err != nil {
		return err
	}
	err = c.write(ctx, func(t *tx) error {
		held, err := changed(t.exec(`DELETE FROM messages WHERE seq = ? AND lease = ? AND visible_at > ?`,
			r.seq, r.lease, t.now.UnixNano()))
		if err != nil {
			return err
		}
		if !held {
			return cloud.ErrLeaseLost
		}
		return c.put(t, to, p)
	})
	if err != nil {
		return fmt.Errorf("move %s to %s: %w", m.ID, to, err)
	}
	return nil
}

// Depth implements cloud.Queues. Messages that chaos delays count as in flight.
func (c *consumer) Depth(_ context.Context, q cloud.QueueName) (cloud.Depth, error) {
	now := c.now()
	var d cloud.Depth
	var oldest *int64
	_, err := c.reads.one(`SELECT count(*) FILTER (WHERE visible_at <= ?1), count(*) FILTER (WHERE visible_at > ?1),
		min(sent_at) FILTER (WHERE visible_at <= ?1) FROM messages WHERE queue = ?2`,
		[]any{now.UnixNano(), q}, &d.Visible, &d.InFlight, &oldest)
	if err != nil {
		return d, fmt.Errorf("count %s: %w", q, err)
	}
	if oldest != nil {
		d.Oldest = max(0, now.Sub(time.Unix(0, *oldest)))
	}
	return d, nil
}

// abandon gives back what a receive leased under a number that its caller
// never learned of.
func (c *consumer) abandon(ctx context.Context, number int64) error {
	return c.write(ctx, func(t *tx) error {
		return t.each(func(row *sql.Rows) error {
			var q cloud.QueueName
			err := row.Scan(&q)
			t.touch(q)
			return err
		}, `UPDATE messages SET visible_at = sent_at, lease = 0, holder = '', receives = receives - 1
			WHERE holder = ? AND lease = ? RETURNING queue`, c.name, number)
	})
}
