package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A log that a killed process left belongs to one data file: SQLite writes it into any other
// one, such as a backup that was copied over the file, and mixes the two. So each run marks
// the data file with a random number, and notes the number in the lock file until it has
// ended in order.

// markAt is where the header of a data file has the number that SQLite leaves to
// applications (https://www.sqlite.org/fileformat2.html, section 1.3).
const markAt = 68

// markOf reads the mark of a data file without its log: 0 where it has none.
func markOf(data *os.File) (int32, error) {
	first, err := head(data, markAt+4)
	if err != nil || len(first) < markAt+4 {
		return 0, err
	}
	return int32(binary.BigEndian.Uint32(first[markAt:])), nil
}

// runLock is the locked lock file, with the marks that the data file may have where the log
// belongs to it: two while a run sets its own.
type runLock struct {
	*os.File
	made bool // there was none before
}

// marks are those that the former run noted; none where it ended in order.
func (l runLock) marks() (out []int32, err error) {
	text, err := head(l.File, 64)
	if err != nil {
		return nil, fmt.Errorf("read the lock of the data folder: %w", err)
	}
	for word := range strings.FieldsSeq(string(text)) {
		n, err := strconv.ParseUint(word, 16, 32)
		if err != nil {
			return nil, fmt.Errorf("read the lock of the data folder, %s: %w", l.Name(), err)
		}
		out = append(out, int32(n))
	}
	return out, nil
}

// note writes down the marks that the data file may have. A kill in between leaves more of them,
// never fewer, and they are on disk before the data file has one of them.
func (l runLock) note(marks ...int32) error {
	text := noted(marks...)
	_, err := l.WriteAt([]byte(text), 0)
	if err == nil {
		err = l.Truncate(int64(len(text)))
	}
	if err == nil {
		err = l.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the lock of the data folder: %w", err)
	}
	return nil
}

// noted are marks as the lock file has them: lines of one length, so that those that are
// written over others leave whole ones.
func noted(marks ...int32) (text string) {
	for _, m := range marks {
		text += fmt.Sprintf("%08x\n", uint32(m))
	}
	return text
}

// checkLog refuses a data file to which the log next to it does not belong. Without the lock
// file nothing is known of that, and without a data file SQLite deletes the log.
func (l runLock) checkLog(path string) error {
	if l.made || empty(path) || empty(path+"-wal") {
		return nil
	}
	marks, err := l.marks()
	if err != nil {
		return err
	}
	data, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the data file: %w", err)
	}
	have, err := markOf(data)
	if err := errors.Join(err, data.Close()); err != nil {
		return fmt.Errorf("read the data file: %w", err)
	}
	if len(marks) == 0 && have == 0 || slices.Contains(marks, have) { // without any: of an earlier release
		return nil
	}
	name := filepath.Base(path)
	return fmt.Errorf("%[1]s-wal is the log of another %[1]s and would damage this one: if this one is a backup, delete %[1]s-wal and %[1]s-shm; if both were copied together, delete %[1]s.lock; else put the former %[1]s back", name)
}

// empty reports whether a file has nothing in it, or is not there.
func empty(path string) bool {
	file, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && file.Size() == 0
}

// mark has the data file, and not the log alone, bear this run's mark.
func (l runLock) mark(ctx context.Context, conn *sql.Conn) (int32, error) {
	var before int32
	if err := conn.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&before); err != nil {
		return 0, fmt.Errorf("read the mark of the data file: %w", err)
	}
	var b [4]byte
	_, _ = rand.Read(b[:])
	mark := int32(binary.BigEndian.Uint32(b[:]) | 1) // not 0
	if err := l.note(before, mark); err != nil {
		return 0, err
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, mark)); err != nil {
		return 0, fmt.Errorf("mark the data file: %w", err)
	}
	var busy, pages, written int
	if err := conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &pages, &written); err != nil {
		return 0, fmt.Errorf("mark the data file: %w", err)
	}
	if busy != 0 || written != pages { // somebody reads it: it gets the mark later
		return mark, nil
	}
	return mark, l.note(mark)
}

// end notes that the data file needs no log.
func (l runLock) end(path string) error {
	if !empty(path + "-wal") {
		return nil
	}
	return l.note()
}
