package local

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

// Accept implements cloud.Store: the record and its message are one
// transaction, so that neither is ever there alone.
func (c *consumer) Accept(ctx context.Context, r query.Record, to cloud.QueueName, m query.Message) (query.Record, bool, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return r, false, fmt.Errorf("encode query %s: %w", r.ID, err)
	}
	p, err := c.pack(m)
	if err != nil {
		return r, false, err
	}
	stored, fresh := r, false
	err = c.write(ctx, func(t *tx) error {
		old, found, err := t.record(r.ID, t.now)
		if err != nil || found {
			stored = old
			return err
		}
		_, err = t.exec(`INSERT OR REPLACE INTO queries (id, owner, state, done, expires_at, forget_at, record)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Owner, r.State, r.State.Terminal(), stamp(r.ExpiresAt), stamp(r.ForgetAt), text)
		if err != nil {
			return err
		}
		fresh = true
		return c.put(t, to, p)
	})
	if err != nil || !fresh {
		c.discard(p)
	}
	if err != nil {
		return r, false, fmt.Errorf("accept query %s: %w", r.ID, err)
	}
	return stored, fresh, nil
}

// stamp is a time as the file keeps it; no time lies after every other.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return math.MaxInt64
	}
	return t.UnixNano()
}

// record reads a query that is not forgotten at that time.
func (s *statements) record(id string, now time.Time) (r query.Record, found bool, err error) {
	var text []byte
	found, err = s.one(`SELECT record FROM queries WHERE id = ? AND forget_at > ?`, []any{id, now.UnixNano()}, &text)
	if err == nil && found {
		err = json.Unmarshal(text, &r)
	}
	return r, found, err
}

// Get implements cloud.Store.
func (c *consumer) Get(_ context.Context, id string) (query.Record, error) {
	r, found, err := c.reads.record(id, c.now())
	if err == nil && !found {
		err = cloud.ErrNotFound
	}
	if err != nil {
		return r, fmt.Errorf("get query %s: %w", id, err)
	}
	return r, nil
}

// States implements cloud.Store.
func (c *consumer) States(_ context.Context, ids ...string) (map[string]query.State, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, fmt.Errorf("encode the ids: %w", err)
	}
	out := make(map[string]query.State, len(ids))
	err = c.reads.each(func(row *sql.Rows) error {
		var id string
		var s query.State
		err := row.Scan(&id, &s)
		out[id] = s
		return err
	}, `SELECT id, state FROM queries WHERE id IN (SELECT value FROM json_each(?)) AND forget_at > ?`,
		string(list), c.now().UnixNano())
	if err != nil {
		return nil, fmt.Errorf("get the states of %d queries: %w", len(ids), err)
	}
	return out, nil
}

// Finish implements cloud.Store. A late write is counted in the metric
// cloud.LateWrites.
func (c *consumer) Finish(ctx context.Context, id string, o query.Outcome) (r query.Record, won bool, err error) {
	if !o.State.Terminal() {
		return r, false, fmt.Errorf("finish query %s: state %q is not terminal", id, o.State)
	}
	err = c.write(ctx, func(t *tx) error {
		var found bool
		if r, found, err = t.record(id, t.now); err != nil {
			return err
		}
		if !found {
			return cloud.ErrNotFound
		}
		if r.State.Terminal() {
			return t.count(cloud.Point{Metric: cloud.LateWrites, At: t.now, Value: 1})
		}
		if r, err = r.Finish(o); err != nil {
			return err
		}
		won = true
		t.then(func() { c.waits.tell(r) })
		return t.finish(r)
	})
	if err != nil {
		return r, false, fmt.Errorf("finish query %s: %w", id, err)
	}
	return r, won, nil
}

func (t *tx) finish(r query.Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE queries SET state = ?, done = 1, record = ? WHERE id = ?`, r.State, text, r.ID)
	return err
}

// Wait implements cloud.Store. It listens before it looks, so that no end is
// missed in between.
func (c *consumer) Wait(ctx context.Context, id string) (query.Record, error) {
	end, leave := c.waits.listen(id)
	defer leave()
	r, err := c.Get(ctx, id)
	if err != nil || r.State.Terminal() {
		return r, err
	}
	select {
	case done := <-end:
		return done, nil
	case <-ctx.Done():
		return c.Get(context.WithoutCancel(ctx), id) // it may have ended just now
	case <-c.writes.ended:
		return r, errClosed
	}
}

// Expired implements cloud.Store.
func (c *consumer) Expired(_ context.Context, now time.Time, limit int) ([]query.Record, error) {
	return c.list(`SELECT record FROM queries WHERE done = 0 AND expires_at < ? ORDER BY expires_at LIMIT ?`, now.UnixNano(), limit)
}

// Recent implements cloud.Store, by the order in which queries were stored.
func (c *consumer) Recent(_ context.Context, owner string, limit int) ([]query.Record, error) {
	now := c.now().UnixNano()
	if owner == "" {
		return c.list(`SELECT record FROM queries WHERE forget_at > ? ORDER BY seq DESC LIMIT ?`, now, limit)
	}
	return c.list(`SELECT record FROM queries WHERE owner = ? AND forget_at > ? ORDER BY seq DESC LIMIT ?`, owner, now, limit)
}

func (h *Home) list(statement string, args ...any) ([]query.Record, error) {
	var out []query.Record
	err := h.reads.each(func(row *sql.Rows) error {
		var text sql.RawBytes
		var r query.Record
		if err := row.Scan(&text); err != nil {
			return err
		}
		err := json.Unmarshal(text, &r)
		out = append(out, r)
		return err
	}, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("list queries: %w", err)
	}
	return out, nil
}

// forgetBatch bounds how many records one transaction forgets, so that a day's
// worth of them holds up nobody's write.
const forgetBatch = 1000

// Forget implements cloud.Store.
func (c *consumer) Forget(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for {
		n, err := c.forgetSome(ctx, now)
		total += n
		if err != nil {
			return total, fmt.Errorf("forget queries: %w", err)
		}
		if n < forgetBatch {
			return total, nil
		}
	}
}

func (h *Home) forgetSome(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := h.write(ctx, func(t *tx) error {
		r, err := t.exec(`DELETE FROM queries WHERE seq IN (SELECT seq FROM queries WHERE forget_at <= ? LIMIT ?)`,
			now.UnixNano(), forgetBatch)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return int(n), err
}

// waiters are those who wait for the end of a query, by its id.
type waiters struct {
	mu  sync.Mutex
	all map[string]map[chan query.Record]bool
}

func (w *waiters) listen(id string) (end <-chan query.Record, leave func()) {
	c := make(chan query.Record, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[string]map[chan query.Record]bool{}
	}
	if w.all[id] == nil {
		w.all[id] = map[chan query.Record]bool{}
	}
	w.all[id][c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all[id], c)
		if len(w.all[id]) == 0 {
			delete(w.all, id)
		}
	}
}

func (w *waiters) tell(r query.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all[r.ID] {
		select {
		case c <- r:
		default: // it was told before
		}
	}
}
