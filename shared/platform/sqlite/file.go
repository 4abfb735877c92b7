package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// makeFile makes the data file for its owner alone: what callers were answered
// lies in it, and the folder may be open to others. SQLite gives its log the same
// mode. The mode of a file that is there is left as it is.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the data file: %w", err)
	}
	return f.Close()
}

// makeIn makes a file in a folder next to the data file, and the folder again where
// somebody deleted it.
func makeIn(dir string, create func() (*os.File, error)) (*os.File, error) {
	f, err := create()
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return create()
}

// damaged adds what to do to an error that says that the file is broken.
func damaged(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: the data file is damaged; move the data folder away, or choose another one with --data", err)
		}
	}
	return err
}

// rolledBack reports whether SQLite has rolled the whole transaction back on an
// error, and not the statement alone, as it may on these.
func rolledBack(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT:
		return true
	}
	return false
}

// jitter is how far the clock may be set back without notice.
const jitter = time.Second

// syncClock brings messages that wait back to the present when the clock was
// set back, also since a former run: by the new time they would lie in the
// future, for hours perhaps, and nobody would get them. Leases right themselves
// as they are renewed or their holder ends.
func (w *writer) syncClock(now time.Time) {
	// By the wall clock, which the file knows, and not the monotonic one.
	if !w.last.IsZero() && w.last.UnixNano()-now.UnixNano() < int64(jitter) {
		return
	}
	for _, statement := range []string{
		`UPDATE messages SET sent_at = ?1 WHERE sent_at > ?1`,
		`UPDATE messages SET visible_at = ?1 WHERE visible_at > ?1 AND lease = 0`,
	} {
		_, _ = w.stmts.exec(statement, now.UnixNano()) // what fails here fails the commit
	}
	for q := range w.parked.ops {
		w.parked.dirty[q] = true
	}
}
