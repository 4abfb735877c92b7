package local

import (
	"context"
	"database/sql"
	"fmt"

	"paragon/shared/cloud"
)

// ReadShared implements cloud.Shared.
func (c *consumer) ReadShared(_ context.Context, name string) (value []byte, version int64, err error) {
	if _, err = c.reads.one(`SELECT value, version FROM shared WHERE name = ?`, []any{name}, &value, &version); err != nil {
		return nil, 0, fmt.Errorf("read the shared value %s: %w", name, err)
	}
	return value, version, nil
}

// SwapShared implements cloud.Shared.
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
			err = cloud.ErrConflict
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("change the shared value %s: %w", name, err)
	}
	return version + 1, nil
}
