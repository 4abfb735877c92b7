package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

// parcel is a message as the backend keeps it: the input's data is apart, in a
// file of its own. Only a former version left data in rows.
type parcel struct {
	message, data []byte
	input         input
	id, owner     string // of the query
	callback      string // empty where no call is owed
	forgetAt      time.Time
}

// pack stores a message's input and makes its row. Until the row is there,
// discard takes the input back.
func (h *Backend) pack(m query.Message) (parcel, error) {
	p := parcel{data: m.Input.Data, id: m.ID, owner: m.Owner, callback: m.Callback, forgetAt: m.ForgetAt}
	m.Input.Data = nil
	var err error
	if p.message, err = json.Marshal(m); err != nil {
		return parcel{}, fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	if len(p.data) > 0 {
		p.input, err = h.inputs.write(p.data)
		p.data = nil
	}
	return p, err
}

func (h *Backend) discard(ps ...parcel) {
	for _, p := range ps {
		h.inputs.remove(p.input.file)
	}
}

// unpack reads a message back. One whose input is lost names an upload that is
// not there.
func (h *Backend) unpack(p parcel) (query.Message, error) {
	var m query.Message
	if err := json.Unmarshal(p.message, &m); err != nil {
		return m, fmt.Errorf("decode a message: %w", err)
	}
	m.Input.Data = p.data
	if p.input.file == "" {
		return m, nil
	}
	data, err := h.inputs.read(p.input)
	if errors.Is(err, errInputLost) {
		m.Input = lost(m.Input)
		return m, nil
	}
	m.Input.Data = data
	return m, err
}

// Send implements platform.Queues.
func (c *consumer) Send(ctx context.Context, q platform.QueueName, msgs ...query.Message) (err error) {
	parcels := make([]parcel, len(msgs))
	defer func() {
		if err != nil {
			c.discard(parcels...)
		}
	}()
	for i, m := range msgs {
		if parcels[i], err = c.pack(m); err != nil {
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
func (h *Backend) put(t *tx, q platform.QueueName, p parcel) error {
	t.touch(q)
	if err := t.oweCall(p.id, p.callback, p.forgetAt); err != nil {
		return err
	}
	for i, at := range h.chaos.copies(t.now) {
		if i > 0 {
			var err error
			if p.input, err = h.inputs.link(p.input); err != nil {
				return err
			}
		}
		_, err := t.exec(`INSERT INTO messages (queue, owner, visible_at, sent_at, message, data, input, input_bytes, input_sum)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			q, p.owner, at.UnixNano(), t.now.UnixNano(), p.message, p.data, p.input.file, p.input.bytes, p.input.sum)
		if err != nil {
			return err
		}
	}
	return nil
}

// changed reports whether a statement found its row.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// Extend implements platform.Queues.
func (c *consumer) Extend(ctx context.Context, d platform.Delivery, lease time.Duration) error {
	r := parseReceipt(d)
	return c.write(ctx, func(t *tx) error {
		held, err := changed(t.exec(`UPDATE messages SET visible_at = ? WHERE seq = ? AND lease = ? AND visible_at > ?`,
			t.now.Add(lease).UnixNano(), r.seq, r.lease, t.now.UnixNano()))
		if err == nil && !held {
			err = platform.ErrLeaseLost
		}
		if err != nil {
			return fmt.Errorf("extend the lease of %s: %w", d.Message.ID, err)
		}
		t.touch(d.Queue)
		return nil
	})
}

// Delete implements platform.Queues. A lease that ran out while nobody else took
// the message still counts, as it spares a second run.
func (c *consumer) Delete(ctx context.Context, ds ...platform.Delivery) error {
	var files []string
	err := c.write(ctx, func(t *tx) error {
		for _, d := range ds {
			r := parseReceipt(d)
			err := t.each(scanNames(func(name string) { files = append(files, name) }),
				`DELETE FROM messages WHERE seq = ? AND lease = ? RETURNING input`, r.seq, r.lease)
			if err != nil {
				return fmt.Errorf("delete %s: %w", d.Message.ID, err)
			}
		}
		return nil
	})
	if err == nil {
		c.inputs.remove(files...)
	}
	return err
}

// scanNames reads rows of one text.
func scanNames(take func(string)) func(*sql.Rows) error {
	return func(row *sql.Rows) error {
		var name string
		err := row.Scan(&name)
		take(name)
		return err
	}
}

// Release implements platform.Queues. A message goes back to its old place.
func (c *consumer) Release(ctx context.Context, ds ...platform.Delivery) error {
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

// Move implements platform.Queues, in one transaction: here a crash leaves the
// message on exactly one of the two queues.
func (c *consumer) Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error {
	return c.move(ctx, d, to, m, rpc.SameData(d.Message, m))
}

// move is Move; same says that the message keeps the input that it was delivered
// with, which then stays where it is.
func (c *consumer) move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message, same bool) error {
	if same {
		m.Input.Data = nil
	}
	p, err := c.pack(m)
	if err != nil {
		return err
	}
	var former parcel
	err = c.write(ctx, func(t *tx) error {
		var held bool
		if former, held, err = t.take(parseReceipt(d)); err != nil {
			return err
		}
		if !held {
			return platform.ErrLeaseLost
		}
		if same {
			p.data, p.input = former.data, former.input
		}
		return c.put(t, to, p)
	})
	if err != nil {
		if !same {
			c.discard(p)
		}
		return fmt.Errorf("move %s to %s: %w", m.ID, to, err)
	}
	if !same {
		c.discard(former)
	}
	return nil
}

// take deletes a message whose lease has not run out, and returns its input.
func (t *tx) take(r receipt) (p parcel, held bool, err error) {
	err = t.each(func(row *sql.Rows) error {
		held = true
		return row.Scan(&p.data, &p.input.file, &p.input.bytes, &p.input.sum)
	}, `DELETE FROM messages WHERE seq = ? AND lease = ? AND visible_at > ? RETURNING data, input, input_bytes, input_sum`,
		r.seq, r.lease, t.now.UnixNano())
	return p, held, err
}

// Depth implements platform.Queues. Messages that chaos delays count as in flight.
func (c *consumer) Depth(_ context.Context, q platform.QueueName) (platform.Depth, error) {
	now := c.now()
	var d platform.Depth
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
