package sqlite

import (
	"database/sql"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// turns is whose turn it is on each queue. Owners who have messages on a queue take turns, so
// that the backlog of one does not keep the others waiting. The writer's goroutine alone uses it.
type turns map[platform.QueueName]string // the owner of the last turn

// visible are the messages of an owner that nobody has, the longest visible first.
const visible = `SELECT seq, receives, message, data, input, input_bytes, input_sum FROM messages INDEXED BY messages_by_owner
	WHERE queue = ? AND owner = ? AND visible_at <= ? ORDER BY visible_at, seq LIMIT ?`

// The owners with visible messages are asked for one at a time, so that a receive looks at
// no more of them than it takes messages. What is leased or delayed is looked at once.
const (
	nextOwner = `SELECT owner FROM messages INDEXED BY messages_by_owner
		WHERE queue = ? AND owner > ? AND visible_at <= ? ORDER BY owner LIMIT 1`
	firstOwner = `SELECT owner FROM messages INDEXED BY messages_by_owner
		WHERE queue = ? AND owner <= ? AND visible_at <= ? ORDER BY owner LIMIT 1`
)

// receiver is who receives from a queue.
type receiver struct {
	holder string
	number int64 // of the lease
	until  time.Time
}

// lease takes visible messages: of the owners in turn, and of each the longest visible first.
func (t *tx) lease(q platform.QueueName, limit int, to receiver, of turns) ([]leased, error) {
	var rows []leased
	for len(rows) < limit {
		owners, err := t.inTurn(q, of[q], limit-len(rows))
		if err != nil || len(owners) == 0 {
			return rows, err
		}
		each := (limit - len(rows)) / len(owners)
		for _, owner := range owners {
			took, err := t.leaseOf(q, owner, each, to)
			if err != nil {
				return nil, err
			}
			rows = append(rows, took...)
			of[q] = owner
		}
	}
	return rows, nil
}

// inTurn returns the owners whose turn it is after that of another, at most the given number,
// each once.
func (t *tx) inTurn(q platform.QueueName, after string, most int) (owners []string, err error) {
	for len(owners) < most {
		var owner string
		found, err := t.one(nextOwner, []any{q, after, t.now.UnixNano()}, &owner)
		if err == nil && !found {
			found, err = t.one(firstOwner, []any{q, after, t.now.UnixNano()}, &owner)
		}
		if err != nil || !found || len(owners) > 0 && owner == owners[0] {
			return owners, err
		}
		owners, after = append(owners, owner), owner
	}
	return owners, nil
}

// leaseOf takes visible messages of one owner.
func (t *tx) leaseOf(q platform.QueueName, owner string, limit int, to receiver) (rows []leased, err error) {
	err = t.each(func(row *sql.Rows) error {
		var r leased
		err := row.Scan(&r.seq, &r.receives, &r.message, &r.data, &r.input.file, &r.input.bytes, &r.input.sum)
		rows = append(rows, r)
		return err
	}, visible, q, owner, t.now.UnixNano(), limit)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].receives++
		_, err := t.exec(`UPDATE messages SET visible_at = ?, lease = ?, holder = ?, receives = receives + 1 WHERE seq = ?`,
			to.until.UnixNano(), to.number, to.holder, rows[i].seq)
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}
