package timeline

import (
	"context"
	"time"
)

// Reader reads rows of the past.
type Reader interface {
	// Timeline returns the rows of one step that start in [from, to), oldest first.
	Timeline(ctx context.Context, step time.Duration, from, to time.Time) ([]Row, error)
}

// Completed reads rows that are stored when they are over: those that are not yet are
// made of shorter ones.
type Completed struct {
	Stored Reader
	Now    func() time.Time
}

// Timeline implements Reader. The row before the open one may not be stored yet.
func (c Completed) Timeline(ctx context.Context, step time.Duration, from, to time.Time) ([]Row, error) {
	rows, err := c.Stored.Timeline(ctx, step, from, to)
	shorter, ok := Shorter(step)
	if err != nil || !ok {
		return rows, err
	}
	missing := c.Now().Truncate(step).Add(-step)
	if missing.Before(from) {
		missing = from
	}
	if n := len(rows); n > 0 && missing.Before(rows[n-1].At.Add(step)) {
		missing = rows[n-1].At.Add(step)
	}
	if !missing.Before(to) {
		return rows, nil
	}
	parts, err := c.Timeline(ctx, shorter, missing, to)
	return append(rows, Sum(step, parts)...), err
}
