package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/paragon-serving/paragon/shared/platform"
)

// Launch stores a worker that is being started, by its first report, and forgets
// an earlier launch that failed. It fails for an id that was used before: ids name
// one process each.
func (h *Backend) Launch(ctx context.Context, r platform.WorkerReport) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode worker %s: %w", r.ID, err)
	}
	return h.writeFleet(ctx, "launch worker "+r.ID, func(t *tx) error {
		if _, err := t.exec(`UPDATE pools SET launch_fault = '' WHERE pool = ? AND launch_fault <> ''`, r.Pool); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO workers (id, pool, state, report) VALUES (?, ?, ?, ?)`, r.ID, r.Pool, r.State, text)
		return err
	})
}

// LaunchFailed stores why a worker of a pool could not be launched.
func (h *Backend) LaunchFailed(ctx context.Context, pool, why string) error {
	err := h.write(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE pools SET launch_fault = ? WHERE pool = ? AND launch_fault <> ?`, why, pool, why)
		return err
	})
	if err != nil {
		return fmt.Errorf("store a failed launch of pool %s: %w", pool, err)
	}
	return nil
}

// MarkGone declares a worker dead. Its secrets end, its later reports get
// ErrRevoked, and all that it holds goes back to the queues at once.
func (h *Backend) MarkGone(ctx context.Context, id string) error { return h.gone(ctx, id, false) }

// NoteEnd is MarkGone of a worker whose process has ended. One that had not been declared
// dead before may have ended by what it held: that is counted in each message.
func (h *Backend) NoteEnd(ctx context.Context, id string) error { return h.gone(ctx, id, true) }

func (h *Backend) gone(ctx context.Context, id string, ended bool) error {
	h.consumers.bury(id)
	h.Unregister(id)
	return h.writeFleet(ctx, "mark worker "+id+" as gone", func(t *tx) error {
		if _, err := t.exec(`UPDATE workers SET state = ? WHERE id = ?`, platform.Gone, id); err != nil {
			return err
		}
		if ended {
			if err := t.countDeath(id); err != nil {
				return err
			}
		}
		return t.releaseHeld(id)
	})
}

// countDeath notes a worker's end in the messages that it holds: one of them may have been
// its cause. A message that names the worker already was placed after the worker had ended
// during its request, and given to a receive that the worker had left waiting: that receive
// had no run, and does not count either.
func (t *tx) countDeath(worker string) error {
	const named = `EXISTS (SELECT 1 FROM json_each(CAST(message AS TEXT), '$.died') WHERE value = ?)`
	if _, err := t.exec(`UPDATE messages SET receives = receives - 1 WHERE holder = ? AND `+named, worker, worker); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE messages SET message = CAST(json_insert(CAST(message AS TEXT), '$.died[#]', ?) AS BLOB)
		WHERE holder = ? AND NOT `+named, worker, worker, worker)
	return err
}

// PassOver has a worker that may be stopped get no messages until Suspend or Resume is
// called: a receive that it left waiting takes none. What it holds stays with it.
func (h *Backend) PassOver(id string) { h.consumers.passOver(id) }

// Suspend takes a worker out that lives and does not answer, as one that is stopped: it is
// listed as suspended, gets no messages, and what it holds goes back to the queues at
// once. Should it go on, its leases are lost, and its late answers meet the records there.
func (h *Backend) Suspend(ctx context.Context, id string) error {
	h.consumers.suspend(id, true)
	return h.writeFleet(ctx, "take worker "+id+" out", func(t *tx) error { return t.releaseHeld(id) })
}

// Resume takes a worker in again that was suspended.
func (h *Backend) Resume(ctx context.Context, id string) error {
	h.consumers.suspend(id, false)
	return h.writeFleet(ctx, "take worker "+id+" in again", func(*tx) error { return nil })
}

// releaseHeld gives back what a consumer holds. The receives stay counted:
// what killed it may have been a message.
func (t *tx) releaseHeld(consumer string) error {
	return t.each(func(row *sql.Rows) error {
		var q platform.QueueName
		err := row.Scan(&q)
		t.touch(q)
		return err
	}, `UPDATE messages SET visible_at = sent_at, lease = 0, holder = '' WHERE holder = ? RETURNING queue`, consumer)
}

// Desired returns how many workers a pool should have; 0 when nobody said.
func (h *Backend) Desired(_ context.Context, pool string) (int, error) {
	var n int
	if _, err := h.reads.one(`SELECT desired FROM pools WHERE pool = ?`, []any{pool}, &n); err != nil {
		return 0, fmt.Errorf("read the desired workers of pool %s: %w", pool, err)
	}
	return n, nil
}

// Draining returns the workers of a pool that are marked to leave and are not gone.
func (h *Backend) Draining(_ context.Context, pool string) ([]string, error) {
	var ids []string
	err := h.reads.each(func(row *sql.Rows) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM workers WHERE pool = ? AND drain = 1 AND state <> ? ORDER BY launched`, pool, platform.Gone)
	if err != nil {
		return nil, fmt.Errorf("list the draining workers of pool %s: %w", pool, err)
	}
	return ids, nil
}

// FleetChanged returns a channel that is closed when the next change of
// desired workers, drain marks or workers' states is committed. Take it before
// looking, so that no change is missed in between.
func (h *Backend) FleetChanged() <-chan struct{} { return h.changed.next() }
