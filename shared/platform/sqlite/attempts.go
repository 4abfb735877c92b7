package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/paragon-serving/paragon/shared/platform"
)

// ReserveKey implements platform.Attempts.
func (c *consumer) ReserveKey(ctx context.Context, a platform.Attempt) (platform.Attempt, bool, error) {
	return c.putAttempt(ctx, "claim an idempotency key", a, func(held platform.Attempt, found bool) (bool, error) {
		return !found, nil
	})
}

// ReplaceKey implements platform.Attempts.
func (c *consumer) ReplaceKey(ctx context.Context, old string, a platform.Attempt) (platform.Attempt, bool, error) {
	return c.putAttempt(ctx, "replace the attempt of an idempotency key", a, func(held platform.Attempt, found bool) (bool, error) {
		if !found {
			return false, platform.ErrNotFound
		}
		return held.ID == old, nil
	})
}

// putAttempt stores an attempt if the one that is held, if any, may be
// overwritten, and returns the one that is held then.
func (c *consumer) putAttempt(ctx context.Context, what string, a platform.Attempt, may func(held platform.Attempt, found bool) (bool, error)) (held platform.Attempt, won bool, err error) {
	text, err := json.Marshal(a)
	if err != nil {
		return platform.Attempt{}, false, fmt.Errorf("%s: %w", what, err)
	}
	err = c.write(ctx, func(t *tx) error {
		var old []byte
		found, err := t.one(`SELECT attempt FROM attempts WHERE owner = ? AND key = ? AND forget_at > ?`, []any{a.Owner, a.Key, t.now.UnixNano()}, &old)
		if err == nil && found {
			err = json.Unmarshal(old, &held)
		}
		if err != nil {
			return err
		}
		put, err := may(held, found)
		if err != nil || !put {
			won = held.ID == a.ID
			return err
		}
		held, won = a, true
		_, err = t.exec(`INSERT OR REPLACE INTO attempts (owner, key, forget_at, attempt) VALUES (?, ?, ?, ?)`, a.Owner, a.Key, stamp(a.ForgetAt), text)
		return err
	})
	if err != nil {
		return platform.Attempt{}, false, fmt.Errorf("%s: %w", what, err)
	}
	return held, won, nil
}
