package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Vote implements platform.Votes. Each vote takes what is too old with it.
func (h *Backend) Vote(ctx context.Context, queryID string, vote feedback.Vote) error {
	text, err := json.Marshal(vote)
	if err != nil {
		return fmt.Errorf("vote on query %s: %w", queryID, err)
	}
	fresh := false
	err = h.write(ctx, func(t *tx) error {
		res, err := t.exec(`INSERT INTO votes (query, at, vote) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, queryID, t.now.UnixNano(), text)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		fresh = n > 0
		_, err = t.exec(`DELETE FROM votes WHERE at < ?`, t.now.Add(-platform.VotesKeptDays*24*time.Hour).UnixNano())
		return err
	})
	if err == nil && !fresh {
		err = platform.ErrExists
	}
	if err != nil {
		return fmt.Errorf("vote on query %s: %w", queryID, err)
	}
	return nil
}

// VotesAfter implements platform.Votes.
func (h *Backend) VotesAfter(_ context.Context, cursor int64, limit int) ([]feedback.Vote, int64, error) {
	var out []feedback.Vote
	err := h.reads.each(func(row *sql.Rows) error {
		var text []byte
		var vote feedback.Vote
		if err := row.Scan(&cursor, &text); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &vote); err != nil {
			return err
		}
		out = append(out, vote)
		return nil
	}, `SELECT seq, vote FROM votes WHERE seq > ? ORDER BY seq LIMIT ?`, cursor, limit)
	if err != nil {
		return nil, cursor, fmt.Errorf("read votes: %w", err)
	}
	return out, cursor, nil
}
