package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// migrations make the schema, one step a version. A step that was released is
// never changed: a new one is added. Times are Unix nanoseconds.
var migrations = []string{
	`
	CREATE TABLE messages (
		seq        INTEGER PRIMARY KEY,
		queue      TEXT    NOT NULL,
		visible_at INTEGER NOT NULL,            -- leased or delayed until then
		sent_at    INTEGER NOT NULL,
		receives   INTEGER NOT NULL DEFAULT 0,
		lease      INTEGER NOT NULL DEFAULT 0,  -- 0: never leased, or given back
		holder     TEXT    NOT NULL DEFAULT '', -- the consumer that has the lease
		message    BLOB    NOT NULL,            -- JSON, without the input's data
		data       BLOB                         -- the input's data
	);
	CREATE INDEX messages_by_queue ON messages (queue, visible_at, sent_at);
	CREATE INDEX messages_by_holder ON messages (holder) WHERE holder <> '';

	CREATE TABLE queries (
		seq        INTEGER PRIMARY KEY,         -- in order of acceptance
		id         TEXT    NOT NULL UNIQUE,
		owner      TEXT    NOT NULL,
		state      TEXT    NOT NULL,
		done       INTEGER NOT NULL,            -- 1 once the state is terminal
		expires_at INTEGER NOT NULL,
		forget_at  INTEGER NOT NULL,
		record     BLOB    NOT NULL             -- JSON
	);
	CREATE INDEX queries_by_owner ON queries (owner);
	CREATE INDEX queries_open ON queries (expires_at) WHERE done = 0;
	CREATE INDEX queries_by_forget ON queries (forget_at);

	CREATE TABLE pools (
		pool    TEXT PRIMARY KEY,
		desired INTEGER NOT NULL
	);
	CREATE TABLE workers (
		launched INTEGER PRIMARY KEY AUTOINCREMENT,
		id       TEXT    NOT NULL UNIQUE,
		pool     TEXT    NOT NULL,
		state    TEXT    NOT NULL,
		drain    INTEGER NOT NULL DEFAULT 0,
		report   BLOB    NOT NULL
	);
	CREATE TABLE views (
		one  INTEGER PRIMARY KEY CHECK (one = 1),
		view BLOB NOT NULL
	);

	CREATE TABLE points (
		metric     TEXT    NOT NULL,
		dimensions TEXT    NOT NULL,
		second     INTEGER NOT NULL,
		sum        REAL    NOT NULL,
		count      INTEGER NOT NULL,
		max        REAL    NOT NULL,
		PRIMARY KEY (metric, dimensions, second)
	) WITHOUT ROWID;
	CREATE INDEX points_by_second ON points (second);

	CREATE TABLE settings (                     -- every value ever set; the newest of a name is in force
		version INTEGER PRIMARY KEY AUTOINCREMENT,
		name    TEXT    NOT NULL,
		value   TEXT    NOT NULL,
		set_at  INTEGER NOT NULL
	);
	CREATE INDEX settings_by_name ON settings (name, version);

	CREATE TABLE blobs (
		id           TEXT    PRIMARY KEY,
		owner        TEXT    NOT NULL,
		content_type TEXT    NOT NULL,
		max_bytes    INTEGER NOT NULL,
		expires_at   INTEGER NOT NULL
	);
	`,
	`
	CREATE TABLE votes (                        -- what callers say of answers, one vote a query
		seq   INTEGER PRIMARY KEY AUTOINCREMENT,
		query TEXT    NOT NULL UNIQUE,
		at    INTEGER NOT NULL,
		vote  BLOB    NOT NULL              -- JSON
	);
	CREATE INDEX votes_by_time ON votes (at);
	`,
	`
	CREATE TABLE lease (                        -- who may move the fleet
		one    INTEGER PRIMARY KEY CHECK (one = 1),
		holder TEXT    NOT NULL,
		token  INTEGER NOT NULL,
		until  INTEGER NOT NULL
	);
	CREATE TABLE memories (
		pool   TEXT PRIMARY KEY,
		memory BLOB
	);
	CREATE TABLE entries (                      -- one a tick and pool
		id        TEXT    PRIMARY KEY,
		pool      TEXT    NOT NULL,
		moves     INTEGER NOT NULL,
		forget_at INTEGER NOT NULL,
		entry     BLOB    NOT NULL,             -- JSON, without the record
		record    BLOB
	);
	CREATE INDEX entries_by_pool ON entries (pool, id);
	CREATE INDEX entries_that_move ON entries (pool, id) WHERE moves = 1;
	CREATE INDEX entries_by_forget ON entries (forget_at);
	ALTER TABLE pools ADD COLUMN least INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE pools ADD COLUMN most  INTEGER NOT NULL DEFAULT 2000;
	`,
	`
	CREATE TABLE query_records (                -- how queries ended, written once
		seq         INTEGER PRIMARY KEY,
		id          TEXT    NOT NULL UNIQUE,    -- ids sort by acceptance
		owner       TEXT    NOT NULL,
		kind        TEXT    NOT NULL,           -- stored, or direct: a kept sample
		accepted_at INTEGER NOT NULL,
		forget_at   INTEGER NOT NULL,
		state       TEXT    NOT NULL,
		record      BLOB    NOT NULL            -- JSON
	);
	CREATE INDEX stored_by_owner ON query_records (owner, id) WHERE kind = 'stored';
	CREATE INDEX samples_by_time ON query_records (accepted_at, id) WHERE kind = 'direct';
	CREATE INDEX query_records_by_forget ON query_records (forget_at);

	CREATE TABLE attempts (                     -- what idempotency keys stand for
		owner     TEXT    NOT NULL,
		key       TEXT    NOT NULL,
		forget_at INTEGER NOT NULL,
		attempt   BLOB    NOT NULL,             -- JSON
		PRIMARY KEY (owner, key)
	) WITHOUT ROWID;
	CREATE INDEX attempts_by_forget ON attempts (forget_at);

	CREATE TABLE shared (                       -- values that many processes change
		name    TEXT    PRIMARY KEY,
		version INTEGER NOT NULL,
		value   BLOB    NOT NULL
	) WITHOUT ROWID;
	`,
	`
	ALTER TABLE messages ADD COLUMN input       TEXT    NOT NULL DEFAULT '';  -- the file of the input's data; '' when it is in the row
	ALTER TABLE messages ADD COLUMN input_bytes INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE messages ADD COLUMN input_sum   INTEGER NOT NULL DEFAULT 0;   -- CRC-32C
	`,
	`
	DROP TABLE queries;                         -- and its indexes: query_records has taken its place
	`,
	`
	CREATE TABLE timeline (                     -- what happened in the minutes, ten minutes and hours of 14 days
		step INTEGER NOT NULL,              -- seconds
		at   INTEGER NOT NULL,              -- start, Unix seconds
		row  BLOB    NOT NULL,              -- JSON, deflated
		PRIMARY KEY (step, at)
	);
	CREATE INDEX timeline_by_time ON timeline (at);
	`,
	`
	ALTER TABLE pools ADD COLUMN launch_fault TEXT NOT NULL DEFAULT ''; -- why the newest launch failed
	`,
	`
	SELECT 1;                                   -- nothing but the rewriting: deleted inputs of former versions lie in the file
	`,
	`
	CREATE TABLE IF NOT EXISTS callbacks (      -- calls that are owed, from acceptance on
		id        TEXT    PRIMARY KEY,      -- the query's
		url       TEXT    NOT NULL,
		host      TEXT    NOT NULL,         -- in lower case, with the port
		forget_at INTEGER NOT NULL,         -- of the query's record
		ended_at  INTEGER NOT NULL DEFAULT 0,
		due_at    INTEGER,                  -- of the next try; NULL while the query goes on
		tries     INTEGER NOT NULL DEFAULT 0,
		fault     TEXT    NOT NULL DEFAULT '' -- why the last try failed
	) WITHOUT ROWID;
	CREATE INDEX IF NOT EXISTS callbacks_due ON callbacks (due_at) WHERE due_at IS NOT NULL;
	CREATE INDEX IF NOT EXISTS callbacks_by_forget ON callbacks (forget_at);
	`,
	`
	ALTER TABLE messages ADD COLUMN owner TEXT NOT NULL DEFAULT '';       -- whose query it is: owners take turns
	UPDATE messages SET owner = coalesce(json_extract(CAST(message AS TEXT), '$.owner'), '')
		WHERE json_valid(CAST(message AS TEXT));                      -- one that is damaged must not keep the file from opening
	CREATE INDEX messages_by_owner ON messages (queue, owner, visible_at);
	`,
}

// migrate brings the file to this version's schema, each step in a
// transaction of its own, and refuses a file of a newer version. A file that was
// there is then rewritten, so that nothing is left of what was deleted from it.
func migrate(ctx context.Context, conn *sql.Conn) error {
	var have int
	if err := conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&have); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > len(migrations) {
		return fmt.Errorf("a newer version of Paragon wrote the file: its schema version is %d, and this version knows up to %d; use the newer version, or another data folder", have, len(migrations))
	}
	var tables int
	if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	if have < 0 || have == 0 && tables > 0 {
		return errors.New("the file is a database of another program: choose another data folder")
	}
	for v := have; v < len(migrations); v++ {
		step := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", migrations[v], v+1)
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("bring the schema to version %d: %w", v+1, err)
		}
	}
	if have == 0 || have == len(migrations) {
		return nil
	}
	if _, err := conn.ExecContext(ctx, `VACUUM; PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		return fmt.Errorf("rewrite the file of version %d: %w", have, err)
	}
	return nil
}
