package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// kindNames are the kinds of query as the file keeps them.
var kindNames = map[signed.Kind]string{signed.Direct: "direct", signed.Stored: "stored"}

// PutRecord implements platform.Records.
func (c *consumer) PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error) {
	attempt := "put the record of query " + r.ID
	id, err := platform.CheckRecord(r)
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	err = c.write(ctx, func(t *tx) error {
		old, found, err := t.heldRecord(r.ID, t.now)
		if err != nil {
			return err
		}
		if !found {
			held, won = r, true
			t.then(func() { c.waits.notify(r) })
			if err := c.callDue(t, r); err != nil {
				return err
			}
			_, err = t.exec(`INSERT OR REPLACE INTO query_records (id, owner, kind, accepted_at, forget_at, state, record)
				VALUES (?, ?, ?, ?, ?, ?, ?)`, r.ID, r.Owner, kindNames[id.Kind], id.AcceptedAt.UnixNano(), stamp(r.ForgetAt), r.State, text)
			return err
		}
		if won = bytes.Equal(old, text); !won {
			err = t.count(platform.Point{Metric: platform.LateWrites, At: t.now, Value: 1})
		}
		return errors.Join(err, json.Unmarshal(old, &held))
	})
	if err != nil {
		return query.Record{}, false, fmt.Errorf("%s: %w", attempt, err)
	}
	return held, won, nil
}

// heldRecord reads the JSON of a record that is not forgotten at that time.
func (s *statements) heldRecord(id string, now time.Time) (text []byte, found bool, err error) {
	found, err = s.one(`SELECT record FROM query_records WHERE id = ? AND forget_at > ?`, []any{id, now.UnixNano()}, &text)
	return text, found, err
}

// GetRecord implements platform.Records.
func (c *consumer) GetRecord(_ context.Context, id string) (r query.Record, err error) {
	text, found, err := c.reads.heldRecord(id, c.now())
	if err == nil && !found {
		err = platform.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return query.Record{}, fmt.Errorf("get the record of query %s: %w", id, err)
	}
	return r, nil
}

// AwaitRecord implements platform.Records. It listens before it reads, so that no
// record is missed in between.
func (c *consumer) AwaitRecord(ctx context.Context, id string) (query.Record, error) {
	end, leave := c.waits.listen(id)
	defer leave()
	r, err := c.GetRecord(ctx, id)
	if !errors.Is(err, platform.ErrNotFound) {
		return r, err
	}
	select {
	case r = <-end:
		return r, nil
	case <-ctx.Done():
		return c.GetRecord(context.WithoutCancel(ctx), id) // it may have been put just now
	case <-c.writes.ended:
		return query.Record{}, errClosed
	}
}

// EndStates implements platform.Records.
func (c *consumer) EndStates(_ context.Context, ids ...string) (map[string]query.State, error) {
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
	}, `SELECT id, state FROM query_records WHERE id IN (SELECT value FROM json_each(?)) AND forget_at > ?`,
		string(list), c.now().UnixNano())
	if err != nil {
		return nil, fmt.Errorf("get the end states of %d queries: %w", len(ids), err)
	}
	return out, nil
}

// ListRecords implements platform.Records. The kinds in this and the next
// statement are literals, as their indexes are partial.
func (c *consumer) ListRecords(_ context.Context, owner string, limit int) ([]query.Record, error) {
	return c.list(`SELECT record FROM query_records WHERE kind = 'stored' AND owner = ? AND forget_at > ? ORDER BY id DESC LIMIT ?`,
		owner, c.now().UnixNano(), max(0, limit))
}

// SampleRecords implements platform.Records.
func (c *consumer) SampleRecords(_ context.Context, since time.Time, limit int) ([]query.Record, error) {
	return c.list(`SELECT record FROM query_records WHERE kind = 'direct' AND accepted_at >= ? AND forget_at > ?
		ORDER BY accepted_at DESC, id DESC LIMIT ?`, nanoseconds(since), c.now().UnixNano(), max(0, limit))
}

// nanoseconds is a lower bound of times as the file keeps them; the zero time,
// which has no Unix nanoseconds, lies before all.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// stamp is a time as the file keeps it; no time lies after every other.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return math.MaxInt64
	}
	return t.UnixNano()
}

// list returns the records that a statement selects, in its order.
func (h *Backend) list(statement string, args ...any) ([]query.Record, error) {
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
		return nil, fmt.Errorf("list records: %w", err)
	}
	return out, nil
}
