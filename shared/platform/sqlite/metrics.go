package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// keepPoints is how long metrics are kept.
const keepPoints = 24 * time.Hour

// Put implements platform.Metrics. Values are added up by the second.
func (c *consumer) Put(ctx context.Context, points ...platform.Point) error {
	for _, p := range points {
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
			return fmt.Errorf("put metric %s: %v is not a finite number", p.Metric, p.Value)
		}
	}
	err := c.write(ctx, func(t *tx) error {
		for _, p := range points {
			if err := t.count(p); err != nil {
				return err
			}
		}
		_, err := t.exec(`DELETE FROM points WHERE second < ?`, t.now.Add(-keepPoints).Unix())
		return err
	})
	if err != nil {
		return fmt.Errorf("put %d metric points: %w", len(points), err)
	}
	return nil
}

// count adds a value to its second.
func (t *tx) count(p platform.Point) error {
	_, err := t.exec(`INSERT INTO points (metric, dimensions, second, sum, count, max) VALUES (?, ?, ?, ?, 1, ?4)
		ON CONFLICT DO UPDATE SET sum = sum + excluded.sum, count = count + 1, max = max(max, excluded.max)`,
		p.Metric, dimensions(p.Dimensions), p.At.Unix(), p.Value)
	return err
}

// dimensions makes one key of a list, whatever its order.
func dimensions(list []string) string {
	return strings.Join(slices.Sorted(slices.Values(list)), "\x1f")
}

// Series implements platform.Metrics. Periods are whole seconds, aligned to the
// epoch; from and to are rounded down to the second.
func (c *consumer) Series(_ context.Context, metric string, dims []string, from, to time.Time, period time.Duration) ([]platform.Sample, error) {
	if period < time.Second || period%time.Second != 0 {
		return nil, fmt.Errorf("read metric %s: the period %v must be a whole number of seconds", metric, period)
	}
	var out []platform.Sample
	err := c.reads.each(func(row *sql.Rows) error {
		var s platform.Sample
		var start int64
		err := row.Scan(&start, &s.Sum, &s.Count, &s.Max)
		s.At = time.Unix(start, 0).UTC()
		out = append(out, s)
		return err
	}, `SELECT second - second % ?1 AS start, sum(sum), sum(count), max(max) FROM points
		WHERE metric = ?2 AND dimensions = ?3 AND second >= ?4 AND second < ?5 GROUP BY start ORDER BY start`,
		int64(period/time.Second), metric, dimensions(dims), from.Unix(), to.Unix())
	if err != nil {
		return nil, fmt.Errorf("series of %s: %w", metric, err)
	}
	return out, nil
}
