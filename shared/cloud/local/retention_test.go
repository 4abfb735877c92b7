package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

func visibleOn(t *testing.T, h *Home, q cloud.QueueName) int {
	t.Helper()
	d, err := h.Cloud().Queues.Depth(t.Context(), q)
	must(t, err)
	return d.Visible + d.InFlight
}

// Messages that nobody came for go once their query has ended; those that
// somebody may still come for, or holds, stay.
func TestMessagesThatNobodyNeedsArePruned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, Options{})
		c := h.Cloud()
		for _, id := range []string{"open", "cancelled", "held", "forgotten"} {
			r := query.Record{ID: id, State: query.Placed, ExpiresAt: time.Now().Add(time.Minute), ForgetAt: time.Now().Add(time.Hour)}
			if id == "forgotten" {
				r.ForgetAt = time.Now().Add(time.Second)
			}
			_, _, err := c.Store.Accept(t.Context(), r, queue, query.Message{ID: id, Input: query.Input{Data: []byte("x")}})
			must(t, err)
		}
		ds, err := c.Queues.Receive(t.Context(), queue, 3, time.Hour, 0)
		must(t, err)
		must(t, c.Queues.Release(t.Context(), ds[:2]...)) // "held" stays in hand
		for _, id := range []string{"cancelled", "held"} {
			_, _, err = c.Store.Finish(t.Context(), id, query.Outcome{State: query.Cancelled})
			must(t, err)
		}
		must(t, c.Queues.Send(t.Context(), cloud.DeadLetters, query.Message{ID: "dead"}))
		<-time.After(2 * time.Second)
		_, err = c.Store.Forget(t.Context(), time.Now())
		must(t, err)

		n, err := h.PruneMessages(t.Context(), time.Now())
		must(t, err)
		if n != 2 || visibleOn(t, h, queue) != 2 || visibleOn(t, h, cloud.DeadLetters) != 1 {
			t.Errorf("pruned %d, want those of the cancelled and the forgotten query; %d are left", n, visibleOn(t, h, queue))
		}
		<-time.After(15 * 24 * time.Hour)
		if _, err = h.PruneMessages(t.Context(), time.Now()); err != nil || visibleOn(t, h, cloud.DeadLetters) != 0 {
			t.Errorf("old dead letters stay, error %v", err)
		}
	})
}

// The inputs of queries are nobody else's to read, whatever the folder's mode.
func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	must(t, os.Mkdir(dir, 0o755))
	h := openAt(t, filepath.Join(dir, "paragon.db"), Options{})
	send(t, h, "a")
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

// A damaged file is told with what to do about it.
func TestDamagedFileSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	must(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600))
	_, err := Open(t.Context(), path, Options{})
	if err == nil || !strings.Contains(err.Error(), "name another data folder") {
		t.Errorf("opening a damaged file: %v", err)
	}
}

// An orderly end leaves one file, which can be copied as it is.
func TestCloseWritesTheLogBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	send(t, h, "a")
	_, err := h.Cloud().Queues.Depth(t.Context(), queue)
	must(t, err)
	must(t, h.Close())
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log is left: %v", err)
	}
}
