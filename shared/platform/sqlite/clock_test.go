package sqlite

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// TestClockSetBack holds that messages are found whose time has become the
// future, in one run and from one run to the next.
func TestClockSetBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	ahead.Store(int64(2 * time.Hour))
	h := openAt(t, path, Options{Now: now})
	send(t, h, "a")
	ahead.Store(int64(time.Hour))
	found := func(h *Backend, want string) {
		t.Helper()
		ds, err := h.Platform().Queues.Receive(t.Context(), queue, 1, time.Minute, 0)
		must(t, err)
		if len(ds) != 1 || ds[0].Message.ID != want {
			t.Fatalf("received %v, want %s", ds, want)
		}
		must(t, h.Platform().Queues.Delete(t.Context(), ds...))
	}
	found(h, "a")
	send(t, h, "b")
	must(t, h.Close())
	ahead.Store(0)
	found(openAt(t, path, Options{Now: now}), "b")
}

// A receive that waits while the file cannot be written is served when it can
// be, and not only by the next message.
func TestWaitingReceiveOutlivesAnOutage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	// With this in the log another program's write does not begin it again.
	must(t, h.Platform().Settings.Set(t.Context(), "a", "0"))
	_, err := h.writes.stmts.exec(`PRAGMA busy_timeout = 0`)
	must(t, err)
	parked := make(chan struct{})
	o := &op{queue: queue, done: make(chan error, 1)}
	var rows []leased
	first := true
	o.run = func(tx *tx) (err error) {
		if rows, err = tx.lease(queue, 1, receiver{"me", 1, tx.now.Add(time.Minute)}, turns{}); err == nil && len(rows) == 0 {
			if first {
				first = false
				close(parked)
			}
			return errPark
		}
		return err
	}
	must(t, h.writes.submit(o))
	<-parked
	shell, err := openDB(path)
	must(t, err)
	defer shell.Close()
	shell.SetMaxOpenConns(1)
	_, err = shell.Exec(`BEGIN IMMEDIATE`)
	must(t, err)
	// Somebody else's message, which no send of ours reports.
	_, err = shell.Exec(`INSERT INTO messages (queue, visible_at, sent_at, message) VALUES (?, 0, 0, '{"id":"x"}')`, queue)
	must(t, err)
	if err := h.Platform().Settings.Set(t.Context(), "a", "1"); err == nil {
		t.Fatal("wrote during a write by another program")
	}
	_, err = shell.Exec(`COMMIT`)
	must(t, err)
	must(t, h.writes.answer(o))
	ds, err := h.deliveries(queue, rows, 1)
	must(t, err)
	if len(ds) != 1 || ds[0].Message.ID != "x" {
		t.Errorf("received %v", ds)
	}
}
