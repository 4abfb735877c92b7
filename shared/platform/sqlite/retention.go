package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// keepDeadLetters is how long dead letters wait to be put back, as on SQS.
const keepDeadLetters = 14 * 24 * time.Hour

// pruneBatch bounds how many rows one transaction deletes, so that a day's worth
// of them holds up nobody's write.
const pruneBatch = 1000

// PruneMessages deletes what no consumer came for and none needs any more:
// messages whose query has ended or expired, and old dead letters. Without it
// they would pile up, inputs and all, while there is no worker.
func (h *Backend) PruneMessages(ctx context.Context, now time.Time) (int, error) {
	n, err := h.prune(ctx, `DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE visible_at <= ?1 AND
		CASE queue WHEN ?2 THEN sent_at <= ?3 ELSE
			unixepoch(json_extract(message, '$.expires_at')) < unixepoch(?4)
			OR EXISTS (SELECT 1 FROM query_records WHERE id = json_extract(message, '$.id'))
		END LIMIT ?5) RETURNING input`,
		now.UnixNano(), platform.DeadLetters, now.Add(-keepDeadLetters).UnixNano(), now.UTC().Format(time.RFC3339), pruneBatch)
	if err != nil {
		return n, fmt.Errorf("prune the messages: %w", err)
	}
	return n, nil
}

// PruneRecords deletes the records of queries and the idempotency keys that are
// past their retention, and returns how many.
func (h *Backend) PruneRecords(ctx context.Context, now time.Time) (int, error) {
	records, err := h.prune(ctx, `DELETE FROM query_records WHERE seq IN
		(SELECT seq FROM query_records WHERE forget_at <= ? LIMIT ?) RETURNING ''`, now.UnixNano(), pruneBatch)
	if err != nil {
		return records, fmt.Errorf("prune the records: %w", err)
	}
	_, err = h.prune(ctx, `DELETE FROM callbacks WHERE id IN
		(SELECT id FROM callbacks WHERE forget_at <= ? LIMIT ?) RETURNING ''`, now.UnixNano(), pruneBatch)
	if err != nil {
		return records, fmt.Errorf("prune the callbacks: %w", err)
	}
	attempts, err := h.prune(ctx, `DELETE FROM attempts WHERE (owner, key) IN
		(SELECT owner, key FROM attempts WHERE forget_at <= ? LIMIT ?) RETURNING ''`, now.UnixNano(), pruneBatch)
	if err != nil {
		return records + attempts, fmt.Errorf("prune the idempotency keys: %w", err)
	}
	return records + attempts, nil
}

// prune deletes by a statement that takes at most pruneBatch rows, again and
// again until none is left: each batch is a transaction of its own, so that
// nobody's write waits for a day's worth. The statement returns the file of each
// row's input, or an empty name. It returns how many rows went.
func (h *Backend) prune(ctx context.Context, statement string, args ...any) (int, error) {
	total := 0
	for {
		var files []string
		err := h.write(ctx, func(t *tx) error {
			return t.each(scanNames(func(name string) { files = append(files, name) }), statement, args...)
		})
		if err != nil {
			return total, err
		}
		h.inputs.remove(files...)
		total += len(files)
		if len(files) < pruneBatch {
			return total, nil
		}
	}
}
