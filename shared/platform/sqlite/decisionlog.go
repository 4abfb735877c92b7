package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// AcquireLease implements platform.DecisionLog.
func (c *consumer) AcquireLease(ctx context.Context, holder string, length time.Duration) (platform.Lease, error) {
	if holder == "" || length <= 0 {
		return platform.Lease{}, fmt.Errorf("acquire the lease: holder %q is empty, or length %v is not above 0", holder, length)
	}
	var l platform.Lease
	err := c.write(ctx, func(t *tx) error {
		var until int64
		if _, err := t.one(`SELECT holder, token, until FROM lease`, nil, &l.Holder, &l.Token, &until); err != nil {
			return err
		}
		lives := until > t.now.UnixNano()
		if lives && l.Holder != holder {
			return platform.ErrLeaseLost
		}
		if !lives {
			l.Token++
		}
		l.Holder, l.Until = holder, t.now.Add(length).UTC()
		_, err := t.exec(`INSERT OR REPLACE INTO lease (one, holder, token, until) VALUES (1, ?, ?, ?)`, l.Holder, l.Token, l.Until.UnixNano())
		return err
	})
	if err != nil {
		return platform.Lease{}, fmt.Errorf("acquire the lease for %s: %w", holder, err)
	}
	return l, nil
}

// ReleaseLease implements platform.DecisionLog.
func (c *consumer) ReleaseLease(ctx context.Context, l platform.Lease) error {
	err := c.write(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE lease SET until = 0 WHERE token = ? AND holder = ?`, l.Token, l.Holder)
		return err
	})
	if err != nil {
		return fmt.Errorf("release the lease of %s: %w", l.Holder, err)
	}
	return nil
}

// Memory implements platform.DecisionLog.
func (c *consumer) Memory(_ context.Context, pool string) ([]byte, error) {
	var memory []byte
	found, err := c.reads.one(`SELECT memory FROM memories WHERE pool = ?`, []any{pool}, &memory)
	if err == nil && !found {
		err = platform.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read the memory of pool %s: %w", pool, err)
	}
	return memory, nil
}

// Commit implements platform.DecisionLog.
func (c *consumer) Commit(ctx context.Context, l platform.Lease, memory []byte, e platform.Entry) error {
	record := e.Record
	e.Record = nil
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode entry %s: %w", e.ID, err)
	}
	err = c.write(ctx, func(t *tx) error {
		if err := t.holds(l); err != nil {
			return err
		}
		if _, err := t.exec(`INSERT OR REPLACE INTO memories (pool, memory) VALUES (?, ?)`, e.Pool, memory); err != nil {
			return err
		}
		_, err := t.exec(`INSERT OR REPLACE INTO entries (id, pool, moves, forget_at, entry, record) VALUES (?, ?, ?, ?, ?, ?)`,
			e.ID, e.Pool, e.Moves, stamp(e.ForgetAt), text, record)
		if err != nil {
			return err
		}
		_, err = t.exec(`DELETE FROM entries WHERE forget_at < ?`, t.now.UnixNano())
		return err
	})
	if err != nil {
		return fmt.Errorf("commit tick %s: %w", e.ID, err)
	}
	return nil
}

// holds fails unless a lease is the one in force.
func (t *tx) holds(l platform.Lease) error {
	var token, until int64
	found, err := t.one(`SELECT token, until FROM lease WHERE holder = ?`, []any{l.Holder}, &token, &until)
	if err == nil && (!found || token != l.Token || until <= t.now.UnixNano()) {
		return platform.ErrLeaseLost
	}
	return err
}

// Entry implements platform.DecisionLog.
func (c *consumer) Entry(_ context.Context, id string) (platform.Entry, error) {
	var e platform.Entry
	var text, record []byte
	found, err := c.reads.one(`SELECT entry, record FROM entries WHERE id = ?`, []any{id}, &text, &record)
	if err == nil && !found {
		err = platform.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil {
		return e, fmt.Errorf("read tick %q: %w", id, err)
	}
	e.Record = record
	return e, nil
}

// mostEntries bounds a list of entries.
const mostEntries = 1000

// Entries implements platform.DecisionLog.
func (c *consumer) Entries(_ context.Context, q platform.EntryQuery) ([]platform.Entry, error) {
	if q.Limit < 1 || q.Limit > mostEntries {
		return nil, fmt.Errorf("list ticks: limit %d is outside 1 to %d", q.Limit, mostEntries)
	}
	var out []platform.Entry
	err := c.reads.each(func(row *sql.Rows) error {
		var text sql.RawBytes
		if err := row.Scan(&text); err != nil {
			return err
		}
		var e platform.Entry
		err := json.Unmarshal(text, &e)
		out = append(out, e)
		return err
	}, `SELECT entry FROM entries WHERE pool = ?1 AND moves >= ?2 AND (?3 = '' OR id < ?3) ORDER BY id DESC LIMIT ?4`,
		q.Pool, q.Moves, q.Before, q.Limit)
	if err != nil {
		return nil, fmt.Errorf("list the ticks of pool %s: %w", q.Pool, err)
	}
	return out, nil
}

// Changes implements platform.History.
func (c *consumer) Changes(_ context.Context, name string, limit int) ([]platform.Change, error) {
	if limit < 1 || limit > mostEntries {
		return nil, fmt.Errorf("list changes of settings: limit %d is outside 1 to %d", limit, mostEntries)
	}
	var out []platform.Change
	err := c.reads.each(func(row *sql.Rows) error {
		var k platform.Change
		var at int64
		err := row.Scan(&k.Version, &k.Name, &k.Value, &at)
		k.At = time.Unix(0, at).UTC()
		out = append(out, k)
		return err
	}, `SELECT version, name, value, set_at FROM settings WHERE ?1 = '' OR name = ?1 ORDER BY version DESC LIMIT ?2`, name, limit)
	if err != nil {
		return nil, fmt.Errorf("list the changes of %q: %w", name, err)
	}
	return out, nil
}

// mostWorkers is a group's maximum unless SetGroup says another.
const mostWorkers = 2000

// Group implements platform.Groups.
func (c *consumer) Group(_ context.Context, pool string) (platform.Group, error) {
	g, err := group(c.reads, pool)
	if err != nil {
		return g, fmt.Errorf("read the group of pool %s: %w", pool, err)
	}
	return g, nil
}

func group(s *statements, pool string) (platform.Group, error) {
	g := platform.Group{Max: mostWorkers}
	_, err := s.one(`SELECT least, most, desired, launch_fault FROM pools WHERE pool = ?`, []any{pool}, &g.Min, &g.Max, &g.Desired, &g.LaunchFault)
	return g, err
}

// SetGroup says how many workers a pool may have, as an account's owner does.
// What is desired follows the limits; nobody is killed for it.
func (h *Backend) SetGroup(ctx context.Context, pool string, least, most int) error {
	if least < 0 || most < least {
		return errors.New("the minimum of a pool must be 0 or more, and its maximum must not be lower")
	}
	return h.writeFleet(ctx, "set the group of pool "+pool, func(t *tx) error {
		_, err := t.exec(`INSERT INTO pools (pool, desired, least, most) VALUES (?1, ?2, ?2, ?3)
			ON CONFLICT (pool) DO UPDATE SET least = ?2, most = ?3, desired = min(max(desired, ?2), ?3)`, pool, least, most)
		return err
	})
}
