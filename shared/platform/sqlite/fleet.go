package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// SetDesired implements platform.Fleet.
func (c *consumer) SetDesired(ctx context.Context, pool string, workers int) error {
	if workers < 0 {
		return fmt.Errorf("set the desired number of workers of pool %[2]s to %[1]d: the number must be 0 or more", workers, pool)
	}
	return c.writeFleet(ctx, "set the desired number of workers of pool "+pool, func(t *tx) error {
		g, err := group(t.statements, pool)
		if err == nil && workers > g.Max {
			err = fmt.Errorf("%d workers are more than the pool's maximum of %d", workers, g.Max)
		}
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO pools (pool, desired) VALUES (?, ?)
			ON CONFLICT (pool) DO UPDATE SET desired = excluded.desired`, pool, workers)
		return err
	})
}

// writeFleet writes, and notifies the listeners of FleetChanged.
func (h *Backend) writeFleet(ctx context.Context, what string, f func(*tx) error) error {
	err := h.write(ctx, func(t *tx) error {
		t.then(h.changed.notify)
		return f(t)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Workers implements platform.Fleet.
func (c *consumer) Workers(_ context.Context, pool string) ([]platform.WorkerReport, error) {
	var out []platform.WorkerReport
	err := c.reads.each(func(row *sql.Rows) error {
		var text sql.RawBytes
		var leaves bool
		if err := row.Scan(&text, &leaves); err != nil {
			return err
		}
		var r platform.WorkerReport
		err := json.Unmarshal(text, &r)
		if leaves {
			r.State = platform.Draining
		}
		r.Suspended = c.consumers.suspended(r.ID)
		out = append(out, r)
		return err
	}, `SELECT report, drain FROM workers WHERE pool = ? AND state <> ? ORDER BY launched`, pool, platform.Gone)
	if err != nil {
		return nil, fmt.Errorf("list the workers of pool %s: %w", pool, err)
	}
	return out, nil
}

// Drain implements platform.Fleet. Workers that are not there, or gone, are skipped.
func (c *consumer) Drain(ctx context.Context, pool string, ids ...string) error {
	return c.writeFleet(ctx, "drain workers of pool "+pool, func(t *tx) error {
		for _, id := range ids {
			if _, err := t.exec(`UPDATE workers SET drain = 1 WHERE pool = ? AND id = ? AND state <> ?`, pool, id, platform.Gone); err != nil {
				return err
			}
		}
		return nil
	})
}

// Replace implements platform.Fleet. The supervisor ends their processes and
// launches as many as are then missing.
func (c *consumer) Replace(ctx context.Context, _ string, _ int, ids ...string) error {
	for _, id := range ids {
		if err := c.MarkGone(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// Report implements platform.Fleet. A worker that reports itself gone is gone
// for good, like one that MarkGone named.
func (c *consumer) Report(ctx context.Context, r platform.WorkerReport) (platform.Orders, error) {
	var orders platform.Orders
	c.tallies.put(r, c.now())
	if r.Pool == platform.FunctionsPool {
		return orders, nil
	}
	r.Tallies = tally.Snapshot{}
	text, err := json.Marshal(r)
	if err != nil {
		return orders, fmt.Errorf("encode the report of worker %s: %w", r.ID, err)
	}
	err = c.write(ctx, func(t *tx) error {
		var state platform.WorkerState
		found, err := t.one(`SELECT state, drain FROM workers WHERE id = ?`, []any{r.ID}, &state, &orders.Drain)
		if err != nil {
			return err
		}
		if found && state == platform.Gone {
			return platform.ErrRevoked
		}
		if state != r.State {
			t.then(c.changed.notify)
		}
		return t.putWorker(r, text)
	})
	if err != nil {
		return platform.Orders{}, fmt.Errorf("report of worker %s: %w", r.ID, err)
	}
	return orders, nil
}

// putWorker stores a report; a drain mark stays.
func (t *tx) putWorker(r platform.WorkerReport, text []byte) error {
	_, err := t.exec(`INSERT INTO workers (id, pool, state, report) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET pool = excluded.pool, state = excluded.state, report = excluded.report`,
		r.ID, r.Pool, r.State, text)
	return err
}

// PublishView implements platform.Fleet.
func (c *consumer) PublishView(ctx context.Context, v platform.FleetView) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the fleet view: %w", err)
	}
	err = c.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT OR REPLACE INTO views (one, view) VALUES (1, ?)`, text)
		return err
	})
	if err != nil {
		return fmt.Errorf("publish the fleet view: %w", err)
	}
	return nil
}

// View implements platform.Fleet. ErrNotFound before the first was published.
func (c *consumer) View(context.Context) (platform.FleetView, error) {
	var v platform.FleetView
	var text []byte
	found, err := c.reads.one(`SELECT view FROM views`, nil, &text)
	if err == nil && !found {
		err = platform.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read the fleet view: %w", err)
	}
	return v, nil
}
