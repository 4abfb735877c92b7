package sqlite

import (
	"bytes"
	"compress/flate"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/paragon-serving/paragon/shared/core/timeline"
)

// timelineBytes bounds the stored rows of the timeline: the oldest go first. Ten
// models in two classes take some 10 MB in fourteen days.
const timelineBytes = 64 << 20

// mostTimelineRow bounds what one row unpacks to, in bytes.
const mostTimelineRow = 8 << 20

// PutTimeline stores rows, each in place of the one of its step and start.
func (h *Backend) PutTimeline(ctx context.Context, rows ...timeline.Stored) error {
	packed := make([][]byte, len(rows)) // before the writer, for which all others wait
	for i, r := range rows {
		var err error
		if packed[i], err = packRow(r.Row); err != nil {
			return fmt.Errorf("store %d rows of the timeline: %w", len(rows), err)
		}
	}
	err := h.write(ctx, func(t *tx) error {
		for i, r := range rows {
			if _, err := t.exec(`INSERT OR REPLACE INTO timeline (step, at, row) VALUES (?, ?, ?)`, int64(r.Step/time.Second), r.Row.At.Unix(), packed[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store %d rows of the timeline: %w", len(rows), err)
	}
	return nil
}

// Timeline returns the rows of one step that start in [from, to), oldest first.
func (h *Backend) Timeline(_ context.Context, step time.Duration, from, to time.Time) ([]timeline.Row, error) {
	var out []timeline.Row
	err := h.reads.each(func(rows *sql.Rows) error {
		var packed []byte
		if err := rows.Scan(&packed); err != nil {
			return err
		}
		r, err := unpackRow(packed)
		out = append(out, r)
		return err
	}, `SELECT row FROM timeline WHERE step = ? AND at >= ? AND at < ? ORDER BY at`, int64(step/time.Second), from.Unix(), to.Unix())
	if err != nil {
		return nil, fmt.Errorf("read the timeline: %w", err)
	}
	return out, nil
}

// PruneTimeline deletes the rows that are older than they are kept, and the
// oldest of those that take more than 64 MB together.
func (h *Backend) PruneTimeline(ctx context.Context, now time.Time) error {
	err := h.write(ctx, func(t *tx) error {
		if _, err := t.exec(`DELETE FROM timeline WHERE at < ?`, now.Add(-timeline.Kept).Unix()); err != nil {
			return err
		}
		_, err := t.exec(`DELETE FROM timeline WHERE rowid IN (SELECT rowid FROM
			(SELECT rowid, sum(length(row)) OVER (ORDER BY at DESC, step DESC) AS bytes FROM timeline) WHERE bytes > ?)`, timelineBytes)
		return err
	})
	if err != nil {
		return fmt.Errorf("prune the timeline: %w", err)
	}
	return nil
}

func packRow(r timeline.Row) ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(raw)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

func unpackRow(packed []byte) (r timeline.Row, err error) {
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), mostTimelineRow))
	if err == nil {
		err = json.Unmarshal(raw, &r)
	}
	return r, err
}
