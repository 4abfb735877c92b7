package local

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

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
