package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/paragon-serving/paragon/shared/platform"
)

// Why the store cannot be written.
const (
	reasonFull     = "the disk is full"
	reasonReadOnly = "the data folder is read-only"
	reasonBroken   = "the disk does not take what is written"
	reasonDamaged  = "the data file is damaged"
	reasonLocked   = "another program has the data file locked"
)

// displaced is the reason where a file that is in use is not at its path any more.
func displaced(path string) string {
	return filepath.Base(path) + " was deleted, moved or replaced while in use: nothing is stored until it is put back or Paragon is restarted"
}

const (
	// faultHold is how long a failed write counts, though smaller ones may succeed.
	faultHold = 5 * time.Second
	// spareBytes is how much room there must be on the disk: a few queries.
	spareBytes = 128 << 10
)

// health follows whether the store can be written.
type health struct {
	path    string   // of the data file
	folders []string // of the files next to it
	opened  []opened // set before the first write
	now     func() time.Time
	mark    int32 // of the data file, in this run

	writing sync.Mutex // held during a commit; guards what follows
	content content

	mu       sync.Mutex
	reason   string // of the last write that failed; empty when none did since
	failedAt time.Time
	ruined   string // why what is written could not be read again, until the next start; empty when it could
	emptyLog bool   // the log must not be written into the data file
}

// opened is a file that is in use.
type opened struct {
	path string
	file os.FileInfo
}

// watch notes the files that are opened: the data file, its log and its lock.
func (h *health) watch() error {
	log := h.path + "-wal"
	if err := h.content.open(h.path, log); err != nil {
		return err
	}
	for _, path := range []string{h.path, log, h.path + ".lock"} {
		file, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("find an opened file: %w", err)
		}
		h.opened = append(h.opened, opened{path, file})
	}
	return nil
}

// displaced says that a file in use is not at its path any more, or holds what another
// program wrote: what is written to it is lost when the process ends. It is nil when all
// are there. The contents are left to the commit that is under way.
func (h *health) displaced() error {
	if err := h.gone(); err != nil {
		return err
	}
	if h.writing.TryLock() {
		h.judge()
		h.writing.Unlock()
	}
	return h.ruin()
}

// gone says that a file in use is not at its path any more.
func (h *health) gone() error {
	for _, o := range h.opened {
		if there, err := os.Stat(o.path); err != nil || !os.SameFile(there, o.file) {
			return &platform.StoreFault{Reason: displaced(o.path)}
		}
	}
	return nil
}

// ruin says that nothing may be written until the next start; nil when it may.
func (h *health) ruin() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ruined == "" {
		return nil
	}
	return &platform.StoreFault{Reason: h.ruined}
}

// enter begins a commit. An error means that nothing may be written any more.
func (h *health) enter() error {
	h.writing.Lock()
	h.judge()
	return h.ruin()
}

// committable is nil when what is committed now can be read after the next start, as far as
// can be known before. Call it between enter and leave.
func (h *health) committable() error {
	if h.content.dataChanged() {
		h.overwritten(h.path)
	}
	return errors.Join(h.gone(), h.ruin())
}

// leave ends a commit. An error means that what was committed cannot be read after the next
// start.
func (h *health) leave() error {
	defer h.writing.Unlock()
	bad, err := h.content.wrote()
	if bad != "" {
		h.overwritten(bad)
	}
	return errors.Join(err, h.ruin())
}

// judge looks whether another program wrote to the files.
func (h *health) judge() {
	if h.content.data == nil {
		return
	}
	if path := h.content.changed(); path != "" {
		h.overwritten(path)
	}
}

func (h *health) overwritten(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ruined != "" {
		return
	}
	h.ruined = overwritten(path)
	if mark, err := markOf(h.content.data); err == nil && mark != h.mark {
		h.emptyLog = true
		_ = h.content.log.Truncate(0) // now, as this process may be killed; beforeClose does it again
	} else if path != h.path {
		h.emptyLog = true
	}
}

// beforeClose empties the log where the data file is another one, such as a backup that was
// copied over it, or the log holds what another program wrote: SQLite would write it into
// the data file.
func (h *health) beforeClose() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.emptyLog {
		return nil
	}
	return h.content.log.Truncate(0)
}

// failed puts down a write that failed, and returns its error as a StoreFault
// where the store is the reason.
func (h *health) failed(err error) error {
	if errors.Is(err, fs.ErrNotExist) { // the whole data folder may be gone
		if fault := h.displaced(); fault != nil {
			return fmt.Errorf("%w: %w", fault, err)
		}
	}
	reason := h.reasonOf(err)
	if reason == "" {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason, h.failedAt = reason, h.now()
	if reason == reasonDamaged && h.ruined == "" {
		h.ruined = reasonDamaged
	}
	return fmt.Errorf("%w: %w", &platform.StoreFault{Reason: reason}, err)
}

// unread returns the error of a read as a StoreFault where the files are the reason.
func (h *health) unread(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	if fault := h.displaced(); fault != nil {
		return fmt.Errorf("%w: %w", fault, err)
	}
	if code := e.Code() & 0xff; code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB {
		return h.failed(err)
	}
	return err
}

// wrote puts down a write that succeeded.
func (h *health) wrote() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reason != "" && h.now().Sub(h.failedAt) >= faultHold {
		h.reason = ""
	}
}

// reasonOf says in a caller's words why a write failed; empty when the store is
// not the reason.
func (h *health) reasonOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return reasonFull
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return reasonReadOnly
	case errors.Is(err, syscall.EIO):
		return reasonBroken
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return ""
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return reasonFull
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return reasonReadOnly
	case sqlite3.SQLITE_BUSY:
		return reasonLocked
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return reasonDamaged
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN: // also of a log that cannot grow
		if h.full() {
			return reasonFull
		}
		return reasonBroken
	}
	return ""
}

// full reports whether the disk has no room for a few queries.
func (h *health) full() bool {
	var s syscall.Statfs_t
	err := syscall.Statfs(filepath.Dir(h.path), &s)
	return err == nil && uint64(s.Bavail)*uint64(s.Bsize) < spareBytes
}

// readOnly reports whether no file can be made in a folder that is there. One that was
// deleted is made again.
func (h *health) readOnly() bool {
	const write = 2 // W_OK
	for _, dir := range h.folders {
		if err := syscall.Access(dir, write); errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
			return true
		}
	}
	return false
}

// fault says why the store cannot be written; nil when it can.
func (h *health) fault() error {
	if err := h.displaced(); err != nil {
		return err
	}
	h.mu.Lock()
	reason := h.reason
	h.mu.Unlock()
	if reason == "" && h.full() {
		reason = reasonFull
	}
	if reason == "" && h.readOnly() {
		reason = reasonReadOnly
	}
	if reason == "" {
		return nil
	}
	return &platform.StoreFault{Reason: reason}
}

// WriteFault says why the store cannot be written, as a *platform.StoreFault; nil
// when it can. It looks at the disk and never waits for a write.
func (h *Backend) WriteFault() error { return h.health.fault() }
