package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// usable holds that the backend works.
func usable(t *testing.T, h *Backend, want int) {
	t.Helper()
	send(t, h, "after")
	d, err := h.Platform().Queues.Depth(t.Context(), queue)
	must(t, err)
	if d.Visible != want {
		t.Errorf("%d messages are there, want %d", d.Visible, want)
	}
}

// TestForeignWriterIsAnOutage lets somebody write to the file in spite of the
// lock (an SQLite shell): calls fail, none hangs, and then all is well again.
func TestForeignWriterIsAnOutage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	_, err := h.writes.stmts.exec(`PRAGMA busy_timeout = 0`)
	must(t, err)
	waiting := &op{queue: queue, done: make(chan error, 1), run: func(*tx) error { return errPark }}
	must(t, h.writes.submit(waiting))
	must(t, h.Platform().Settings.Set(t.Context(), "a", "1"))

	shell, err := openDB(path)
	must(t, err)
	defer shell.Close()
	shell.SetMaxOpenConns(1)
	_, err = shell.Exec(`BEGIN IMMEDIATE`)
	must(t, err)
	if err := h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: "a"}); !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("a send during a write by another program: %v, want ErrUnavailable", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := h.writes.patiently(gone, waiting, time.Hour); !errors.Is(err, platform.ErrUnavailable) {
		t.Errorf("a receive that gave up meanwhile: %v, want ErrUnavailable", err)
	}
	_, err = shell.Exec(`ROLLBACK`)
	must(t, err)
	usable(t, h, 1)
}

// TestFailedCommitFailsItsWrites holds that nothing is acknowledged that is
// not there.
func TestFailedCommitFailsItsWrites(t *testing.T) {
	h := open(t, Options{})
	_, err := h.writes.stmts.exec(`PRAGMA foreign_keys = ON`)
	must(t, err)
	notified := false
	err = h.write(t.Context(), func(tx *tx) error {
		tx.then(func() { notified = true })
		if err := h.put(tx, queue, parcel{message: []byte("{}")}); err != nil {
			return err
		}
		// A deferred fault is found by COMMIT alone.
		if _, err := tx.exec(`CREATE TABLE child (p TEXT REFERENCES pools DEFERRABLE INITIALLY DEFERRED)`); err != nil {
			return err
		}
		_, err := tx.exec(`INSERT INTO child VALUES ('none')`)
		return err
	})
	if !errors.Is(err, platform.ErrUnavailable) || notified {
		t.Errorf("a write whose commit failed: %v (notified of: %v), want ErrUnavailable", err, notified)
	}
	usable(t, h, 1)
}
