package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// ReadShared implements platform.Shared.
func (c *consumer) ReadShared(_ context.Context, name string) (value []byte, version int64, err error) {
	if _, err = c.reads.one(`SELECT value, version FROM shared WHERE name = ?`, []any{name}, &value, &version); err != nil {
		return nil, 0, fmt.Errorf("read the shared value %s: %w", name, err)
	}
	return value, version, nil
}

// SwapShared implements platform.Shared.
func (c *consumer) SwapShared(ctx context.Context, name string, value []byte, version int64) (int64, error) {
	if value == nil {
		value = []byte{} // the column holds no NULL
	}
	err := c.write(ctx, func(t *tx) error {
		var res sql.Result
		var err error
		if version == 0 {
			res, err = t.exec(`INSERT INTO shared (name, version, value) VALUES (?, 1, ?) ON CONFLICT DO NOTHING`, name, value)
		} else {
			res, err = t.exec(`UPDATE shared SET value = ?, version = version + 1 WHERE name = ? AND version = ?`, value, name, version)
		}
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err == nil && n == 0 {
			err = platform.ErrConflict
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("change the shared value %s: %w", name, err)
	}
	return version + 1, nil
}

// lineName is the name under which the end of a line is kept, in decimal Unix
// microseconds, among the shared values.
func lineName(line string) string { return "line:" + line }

// Reserve implements platform.Shared.
func (c *consumer) Reserve(ctx context.Context, line string, from, latest time.Time, work time.Duration) (end time.Time, ok bool, err error) {
	err = c.write(ctx, func(t *tx) error {
		var text []byte
		if _, err := t.one(`SELECT value FROM shared WHERE name = ?`, []any{lineName(line)}, &text); err != nil {
			return err
		}
		var endUS int64
		if text != nil {
			if endUS, err = strconv.ParseInt(string(text), 10, 64); err != nil {
				return err
			}
		}
		later := max(endUS, from.UnixMicro()) + work.Microseconds()
		if ok = later <= latest.UnixMicro(); !ok {
			end = time.UnixMicro(endUS)
			return nil
		}
		end = time.UnixMicro(later)
		_, err := t.exec(`INSERT INTO shared (name, version, value) VALUES (?, 1, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
			lineName(line), []byte(strconv.FormatInt(later, 10)))
		return err
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("add to the line %s: %w", line, err)
	}
	return end, ok, nil
}
