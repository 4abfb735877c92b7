package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// Raw implements platform.Settings. The version counts every change.
func (c *consumer) Raw(context.Context) (map[string]string, int64, error) {
	values := map[string]string{}
	var newest int64
	err := c.reads.each(func(row *sql.Rows) error {
		var name, value string
		var version int64
		err := row.Scan(&name, &value, &version)
		values[name] = value
		newest = max(newest, version)
		return err
	}, `SELECT name, value, max(version) FROM settings GROUP BY name`)
	if err != nil {
		return nil, 0, fmt.Errorf("read the settings: %w", err)
	}
	return values, newest, nil
}

// Set implements platform.Settings. Earlier values are kept.
func (c *consumer) Set(ctx context.Context, name, value string) error {
	err := c.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO settings (name, value, set_at) VALUES (?, ?, ?)`, name, value, t.now.UnixNano())
		return err
	})
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}
