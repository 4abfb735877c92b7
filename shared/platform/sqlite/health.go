package sqlite

import (
	"errors"
	"fmt"
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
	reasonDeleted  = "the data file was deleted or replaced while it is in use: what is stored now is lost when Paragon ends"
)

const (
	// faultHold is how long a failed write counts, though smaller ones may succeed.
	faultHold = 5 * time.Second
	// spareBytes is how much room there must be on the disk: a few queries.
	spareBytes = 128 << 10
)

// health follows whether the store can be written.
type health struct {
	path   string      // of the data file
	opened os.FileInfo // the file that was opened there; nil before
	now    func() time.Time

	mu       sync.Mutex
	reason   string // of the last write that failed; empty when none did since
	failedAt time.Time
}

// failed puts down a write that failed, and returns its error as a StoreFault
// where the store is the reason.
func (h *health) failed(err error) error {
	reason := h.reasonOf(err)
	if reason == "" {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reason, h.failedAt = reason, h.now()
	return fmt.Errorf("%w: %w", &platform.StoreFault{Reason: reason}, err)
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
	case errors.Is(err, syscall.EROFS):
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

// fault says why the store cannot be written; nil when it can.
func (h *health) fault() error {
	h.mu.Lock()
	reason := h.reason
	h.mu.Unlock()
	if there, err := os.Stat(h.path); h.opened != nil && (err != nil || !os.SameFile(there, h.opened)) {
		reason = reasonDeleted
	}
	if reason == "" && h.full() {
		reason = reasonFull
	}
	if reason == "" {
		return nil
	}
	return &platform.StoreFault{Reason: reason}
}

// WriteFault says why the store cannot be written, as a *platform.StoreFault; nil
// when it can. It looks at the disk and never waits for a write.
func (h *Backend) WriteFault() error { return h.health.fault() }
