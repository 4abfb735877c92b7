package local

import (
	"context"
	"fmt"
	"time"

	"paragon/shared/cloud"
)

// keepDeadLetters is how long dead letters wait to be put back, as on SQS.
const keepDeadLetters = 14 * 24 * time.Hour

// PruneMessages deletes what no consumer came for and none needs any more:
// messages whose query has ended or is forgotten, and old dead letters. Without
// it they would pile up, inputs and all, while there is no worker; and one could
// outlive its idempotency key and be taken for the next query under it.
func (h *Home) PruneMessages(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for {
		n, err := h.pruneSome(ctx, now)
		total += n
		if err != nil {
			return total, fmt.Errorf("prune the messages: %w", err)
		}
		if n < forgetBatch {
			return total, nil
		}
	}
}

// pruneSome deletes a batch, so that nobody's write waits for a day's worth.
func (h *Home) pruneSome(ctx context.Context, now time.Time) (int, error) {
	var n int64
	err := h.write(ctx, func(t *tx) error {
		r, err := t.exec(`DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE visible_at <= ?1 AND
			CASE queue WHEN ?2 THEN sent_at <= ?3
			ELSE NOT EXISTS (SELECT 1 FROM queries WHERE id = json_extract(message, '$.id') AND done = 0) END LIMIT ?4)`,
			now.UnixNano(), cloud.DeadLetters, now.Add(-keepDeadLetters).UnixNano(), forgetBatch)
		if err != nil {
			return err
		}
		n, err = r.RowsAffected()
		return err
	})
	return int(n), err
}
