package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
)

// moving is a clock that a test moves.
type moving struct{ at time.Time }

func (m *moving) now() time.Time { return m.at }

func healthyBackend(t *testing.T) (*Backend, *moving, string) {
	t.Helper()
	clock := &moving{time.Unix(1e9, 0)}
	path := filepath.Join(t.TempDir(), "paragon.db")
	h, err := Open(t.Context(), path, Options{Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h, clock, path
}

func wantFault(t *testing.T, err error, reason string) {
	t.Helper()
	var f *platform.StoreFault
	if !errors.As(err, &f) || f.Reason != reason || !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("fault %v, want %q", err, reason)
	}
}

// limit bounds the pages of the data file, as a full disk does.
func limit(t *testing.T, h *Backend, pages int) {
	t.Helper()
	err := h.write(t.Context(), func(tx *tx) error {
		var now int
		_, err := tx.one(fmt.Sprintf("PRAGMA max_page_count = %d", pages), nil, &now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskIsSaid(t *testing.T) {
	h, clock, _ := healthyBackend(t)
	set := func(size int) error {
		return h.Platform().Settings.Set(t.Context(), "name", strings.Repeat("x", size))
	}
	if err := errors.Join(set(1), h.WriteFault()); err != nil {
		t.Fatalf("a healthy store: %v", err)
	}
	limit(t, h, 1) // SQLite takes the size that the file has
	wantFault(t, set(1<<20), reasonFull)
	wantFault(t, h.WriteFault(), reasonFull)
	if err := set(2); err != nil {
		t.Fatal(err)
	}
	wantFault(t, h.WriteFault(), reasonFull) // a small write proves little
	limit(t, h, 1<<20)
	clock.at = clock.at.Add(faultHold)
	if err := errors.Join(set(1<<20), h.WriteFault()); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// What shares a transaction with a write for which there is no room fails with it,
// and none of it stays.
func TestAFullDiskFailsTheWholeTransaction(t *testing.T) {
	h, _, _ := healthyBackend(t)
	limit(t, h, 1)
	set := func(name string, size int) *op {
		return &op{done: make(chan error, 1), run: func(tx *tx) error {
			_, err := tx.exec(`INSERT INTO settings (name, value, set_at) VALUES (?, ?, 1)`, name, strings.Repeat("x", size))
			return err
		}}
	}
	ops := []*op{set("before", 1), set("large", 1<<20), set("behind", 1)}
	err := h.write(t.Context(), func(*tx) error { // the writer is here: they wait together
		for _, o := range ops {
			if err := h.writes.submit(o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range ops {
		wantFault(t, h.writes.answer(o), reasonFull)
	}
	values, _, err := h.Platform().Settings.Raw(t.Context())
	if err != nil || len(values) != 0 {
		t.Errorf("stored %v, error %v", values, err)
	}
}

func TestAFileThatWasTakenAwayIsSaid(t *testing.T) {
	h, _, path := healthyBackend(t)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	wantFault(t, h.WriteFault(), reasonDeleted)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFault(t, h.WriteFault(), reasonDeleted)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := h.WriteFault(); err != nil {
		t.Errorf("with the file in its place: %v", err)
	}
}

func TestReasonsOfFailedWrites(t *testing.T) {
	h, _, _ := healthyBackend(t)
	for _, c := range []struct {
		err    error
		reason string
	}{
		{&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, reasonFull},
		{fmt.Errorf("store: %w", syscall.EDQUOT), reasonFull},
		{syscall.EROFS, reasonReadOnly},
		{syscall.EIO, reasonBroken},
	} {
		wantFault(t, h.health.failed(c.err), c.reason)
		wantFault(t, h.WriteFault(), c.reason)
	}
	for _, err := range []error{nil, errPark, platform.ErrNotFound, platform.ErrTooLarge, syscall.ENOENT} {
		if got := h.health.failed(err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// A store that another program has locked, for longer than writes wait, is not ready and
// says why; it is again when a write succeeds a while later.
func TestALockedFileIsSaid(t *testing.T) {
	h, clock, path := healthyBackend(t)
	if _, err := h.writes.stmts.exec(`PRAGMA busy_timeout = 0`); err != nil {
		t.Fatal(err)
	}
	other, err := openDB(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	set := func() error { return h.Platform().Settings.Set(t.Context(), "name", "value") }
	wantFault(t, set(), reasonLocked)
	wantFault(t, h.WriteFault(), reasonLocked)
	if _, err := other.Exec(`ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	clock.at = clock.at.Add(faultHold)
	if err := errors.Join(set(), h.WriteFault()); err != nil {
		t.Errorf("with the lock gone: %v", err)
	}
}

// The reason reaches the processes that use the store over loopback.
func TestTheReasonIsCarried(t *testing.T) {
	h, _, _ := healthyBackend(t)
	limit(t, h, 1)
	err := h.Platform().Settings.Set(t.Context(), "name", strings.Repeat("x", 1<<20))
	if f := rpc.FaultOf(err); f.Reason != reasonFull || f.Class != "unavailable" {
		t.Errorf("carried %+v", f)
	}
}
