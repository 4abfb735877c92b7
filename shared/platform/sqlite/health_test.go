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

	"github.com/paragon-serving/paragon/shared/core/query"
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

// A file that is in use and is not at its path any more would be lost at the end of the
// process: no write is acknowledged, and none stays, until it is back.
func TestNothingIsStoredInAFileThatIsNotInItsPlace(t *testing.T) {
	for _, name := range []string{"paragon.db", "paragon.db-wal", "paragon.db.lock"} {
		t.Run(name, func(t *testing.T) {
			h, _, path := healthyBackend(t)
			path = filepath.Join(filepath.Dir(path), name)
			c := h.Platform()
			u, err := c.Blobs.NewUpload(t.Context(), "ann", "image/png", 4)
			must(t, err)
			upload := func() error {
				return h.PutBlob(t.Context(), strings.TrimPrefix(u.URI, blobScheme), strings.NewReader("1234"))
			}
			set := func(value string) error { return c.Settings.Set(t.Context(), "name", value) }
			must(t, errors.Join(set("before"), upload(), h.WriteFault()))
			refused := func() {
				t.Helper()
				notified := false
				err := h.write(t.Context(), func(tx *tx) error {
					tx.then(func() { notified = true })
					return nil
				})
				for _, err := range []error{err, set("meanwhile"), c.Queues.Send(t.Context(), queue, benchMessage("a")), upload(), h.WriteFault()} {
					wantFault(t, err, displaced(path))
				}
				if notified {
					t.Error("a write that was rolled back was reported")
				}
			}
			must(t, os.Rename(path, path+".away"))
			refused()
			must(t, os.WriteFile(path, nil, 0o600))
			refused()
			must(t, os.Remove(path))
			refused()
			values, _, err := c.Settings.Raw(t.Context())
			if err != nil || values["name"] != "before" {
				t.Errorf("stored %v, error %v", values, err)
			}
			must(t, os.Rename(path+".away", path))
			must(t, errors.Join(set("after"), upload(), h.WriteFault()))
			left, err := os.ReadDir(h.inputs.dir)
			if err != nil || len(left) != 0 {
				t.Errorf("inputs of messages that were not stored: %v, error %v", left, err)
			}
		})
	}
}

// What was acknowledged before the log was deleted is there after a kill.
func TestADeletedLogTakesNothingAlong(t *testing.T) {
	h, _, path := healthyBackend(t)
	for i := range 100 {
		must(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: fmt.Sprint(i)}))
	}
	must(t, os.Remove(path+"-wal"))
	wantFault(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: "late"}), displaced(path+"-wal"))
	killed := filepath.Join(t.TempDir(), "paragon.db")
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(killed, data, 0o600))
	d, err := openAt(t, killed, Options{Now: h.now}).Platform().Queues.Depth(t.Context(), queue)
	if err != nil || d.Visible != 100 {
		t.Errorf("%d of 100 messages are there, error %v", d.Visible, err)
	}
}

// The folders of inputs and uploads are made again where somebody deleted them.
func TestADeletedFolderIsMadeAgain(t *testing.T) {
	h, _, _ := healthyBackend(t)
	c := h.Platform()
	u, err := c.Blobs.NewUpload(t.Context(), "ann", "image/png", 4)
	must(t, err)
	for _, dir := range h.health.folders {
		must(t, os.RemoveAll(dir))
	}
	_, err = h.PruneBlobs(t.Context(), h.now())
	must(t, errors.Join(err, h.WriteFault(), c.Queues.Send(t.Context(), queue, benchMessage("a")),
		h.PutBlob(t.Context(), strings.TrimPrefix(u.URI, blobScheme), strings.NewReader("1234"))))
	ds, err := c.Queues.Receive(t.Context(), queue, 1, time.Minute, 0)
	if err != nil || len(ds) != 1 || len(ds[0].Message.Input.Data) != len(picture) {
		t.Errorf("received %+v, error %v", ds, err)
	}
	if data, err := c.Blobs.Blob(t.Context(), "ann", u.URI, 4); err != nil || string(data) != "1234" {
		t.Errorf("the upload holds %q, error %v", data, err)
	}
}

// A data folder that is gone as a whole is said, and not made again.
func TestADeletedDataFolderIsSaid(t *testing.T) {
	h, _, path := healthyBackend(t)
	must(t, os.RemoveAll(filepath.Dir(path)))
	wantFault(t, h.Platform().Queues.Send(t.Context(), queue, benchMessage("a")), displaced(path))
	wantFault(t, h.WriteFault(), displaced(path))
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder is there: %v", err)
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
		{&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, reasonReadOnly},
		{syscall.EPERM, reasonReadOnly},
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
