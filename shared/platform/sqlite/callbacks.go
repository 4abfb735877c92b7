package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// oweCall notes, with the message of a query, the call that is owed at its end: the process that
// ends it, and may know no more than its id, makes the call due.
func (t *tx) oweCall(id, url string, forgetAt time.Time) error {
	if url == "" {
		return nil
	}
	_, err := t.exec(`INSERT OR IGNORE INTO callbacks (id, url, host, forget_at) VALUES (?, ?, ?, ?)`, id, url, callback.HostOf(url), stamp(forgetAt))
	return err
}

// callDue makes the call of a query due that ends in this transaction, if one is owed.
func (c *consumer) callDue(t *tx, r query.Record) error {
	if err := t.oweCall(r.ID, r.Callback, r.ForgetAt); err != nil {
		return err
	}
	res, err := t.exec(`UPDATE callbacks SET due_at = ?1, ended_at = ?1 WHERE id = ?2 AND due_at IS NULL`, t.now.UnixNano(), r.ID)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	t.then(c.called.notify)
	return nil
}

// CallbacksChanged closes when a callback falls due because its query ended.
func (h *Backend) CallbacksChanged() <-chan struct{} { return h.called.next() }

// DueCallbacks returns callbacks that are due at a time, but to the hosts that are left
// out, the longest due first.
func (h *Backend) DueCallbacks(_ context.Context, now time.Time, without []string, limit int) ([]platform.Callback, error) {
	list, err := json.Marshal(append([]string{}, without...))
	if err != nil {
		return nil, fmt.Errorf("encode the hosts: %w", err)
	}
	return h.callbacks(`SELECT id, url, ended_at, due_at, tries, fault FROM callbacks
		WHERE due_at <= ? AND host NOT IN (SELECT value FROM json_each(?)) ORDER BY due_at, id LIMIT ?`, now.UnixNano(), string(list), limit)
}

// OpenCallbacks returns callbacks of ended queries that have not arrived yet, the next
// one first.
func (h *Backend) OpenCallbacks(_ context.Context, limit int) ([]platform.Callback, error) {
	return h.callbacks(`SELECT id, url, ended_at, due_at, tries, fault FROM callbacks WHERE due_at IS NOT NULL ORDER BY due_at, id LIMIT ?`, limit)
}

func (h *Backend) callbacks(statement string, args ...any) ([]platform.Callback, error) {
	var out []platform.Callback
	err := h.reads.each(func(row *sql.Rows) error {
		var c platform.Callback
		var ended, due int64
		err := row.Scan(&c.ID, &c.URL, &ended, &due, &c.Tries, &c.Fault)
		c.EndedAt, c.DueAt = time.Unix(0, ended), time.Unix(0, due)
		out = append(out, c)
		return err
	}, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("read the callbacks: %w", err)
	}
	return out, nil
}

// RetryCallback has a callback tried again at c.DueAt, after c.Tries that failed, the
// last by c.Fault.
func (h *Backend) RetryCallback(ctx context.Context, c platform.Callback) error {
	err := h.write(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE callbacks SET due_at = ?, tries = ?, fault = ? WHERE id = ?`, c.DueAt.UnixNano(), c.Tries, c.Fault, c.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone the callback of query %s: %w", c.ID, err)
	}
	return nil
}

// EndCallback forgets a callback that arrived, or is given up.
func (h *Backend) EndCallback(ctx context.Context, id string) error {
	err := h.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM callbacks WHERE id = ?`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("end the callback of query %s: %w", id, err)
	}
	return nil
}
