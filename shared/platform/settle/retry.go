package settle

import (
	"context"
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// The pause between tries doubles from the first to the longest.
const (
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// retry calls f until it succeeds, fails for good or ctx ends, which is then
// part of the error.
func retry(ctx context.Context, f func() error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := f()
		if err == nil || final(err) {
			return err
		}
		if Sleep(ctx, pause) != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// final recognizes an error that no other try mends.
func final(err error) bool {
	for _, class := range []error{platform.ErrNotFound, platform.ErrLeaseLost, platform.ErrRevoked, platform.ErrTooLarge} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// Sleep waits for d, or until ctx ends, which is its error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
