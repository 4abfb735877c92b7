package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// overwrite writes into a file at a position, as cp and dd do: the file stays the same.
func overwrite(t *testing.T, path string, data []byte, at int64, cut bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	if cut {
		must(t, f.Truncate(0))
	}
	_, err = f.WriteAt(data, at)
	must(t, err)
}

// backupOf is the data file of a stage that was stopped, with messages of these ids.
func backupOf(t *testing.T, ids ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "paragon.db")
	h, err := Open(t.Context(), path, Options{})
	must(t, err)
	for _, id := range ids {
		send(t, h, id)
	}
	must(t, h.Close())
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

// Another program writes over the data file, or its log: nothing is acknowledged from then
// on, and what fails says why until the next start, whatever is written later.
func TestNothingIsStoredInAFileThatAnotherWroteOver(t *testing.T) {
	junk := []byte(strings.Repeat("not of SQLite", 1000))
	for _, c := range []struct {
		name string
		file string
		over func(t *testing.T, path string)
	}{
		{"cut off", "paragon.db", func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }},
		{"shortened", "paragon.db", func(t *testing.T, path string) { must(t, os.Truncate(path, 4096)) }},
		{"other bytes", "paragon.db", func(t *testing.T, path string) { overwrite(t, path, junk, 0, true) }},
		{"other bytes in the middle", "paragon.db", func(t *testing.T, path string) { overwrite(t, path, junk, 8192, false) }},
		{"a backup", "paragon.db", func(t *testing.T, path string) { overwrite(t, path, backupOf(t, "old"), 0, true) }},
		{"cut off", "paragon.db-wal", func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }},
		{"other bytes", "paragon.db-wal", func(t *testing.T, path string) { overwrite(t, path, junk, 0, true) }},
		{"other bytes first", "paragon.db-wal", func(t *testing.T, path string) { overwrite(t, path, junk, 0, false) }},
	} {
		t.Run(c.file+" "+c.name, func(t *testing.T) {
			h, clock, path := healthyBackend(t)
			path = filepath.Join(filepath.Dir(path), c.file)
			for i := range 20 {
				must(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: fmt.Sprint(i)}))
			}
			must(t, h.WriteFault())
			c.over(t, path)
			for range 3 {
				wantFault(t, h.WriteFault(), overwritten(path))
				wantFault(t, h.Platform().Queues.Send(t.Context(), queue, benchMessage("a")), overwritten(path))
				wantFault(t, h.Platform().Settings.Set(t.Context(), "name", "value"), overwritten(path))
				clock.at = clock.at.Add(2 * faultHold)
			}
		})
	}
}

// What cannot be read any more is a fault of the store, with the reason.
func TestReadsOfAnOverwrittenLogSayWhy(t *testing.T) {
	h, _, path := healthyBackend(t)
	must(t, h.Platform().Settings.Set(t.Context(), "name", "before"))
	must(t, os.Truncate(path+"-wal", 0))
	_, _, err := h.Platform().Settings.Raw(t.Context())
	wantFault(t, err, overwritten(path+"-wal"))
}

// A data file that turns out damaged takes no writes any more, though some would succeed.
func TestADamagedFileTakesNoWrites(t *testing.T) {
	for _, by := range []string{"a read", "a write"} {
		h, clock, _ := healthyBackend(t)
		junk := filepath.Join(t.TempDir(), "junk.db")
		must(t, os.WriteFile(junk, []byte(strings.Repeat("not of SQLite", 1000)), 0o600))
		db, err := openDB(junk)
		must(t, err)
		_, err = db.Exec("SELECT * FROM messages")
		must(t, db.Close())
		if by == "a read" {
			err = h.reads.explained(err)
		} else {
			err = h.write(t.Context(), func(*tx) error { return err })
		}
		for range 3 {
			wantFault(t, err, reasonDamaged)
			wantFault(t, h.WriteFault(), reasonDamaged)
			clock.at = clock.at.Add(2 * faultHold)
			err = h.Platform().Settings.Set(t.Context(), "name", "value")
		}
	}
}

// The first write after the file was overwritten is refused though nobody looked before.
func TestTheFirstWriteIntoAnOverwrittenFileIsRefused(t *testing.T) {
	for _, file := range []string{"paragon.db", "paragon.db-wal"} {
		h, _, path := healthyBackend(t)
		send(t, h, "before")
		path = filepath.Join(filepath.Dir(path), file)
		must(t, os.Truncate(path, 0))
		wantFault(t, h.Platform().Queues.Send(t.Context(), queue, benchMessage("a")), overwritten(path))
	}
}

// Another program writes over either file in the midst of a commit: what was to be committed is
// not acknowledged.
func TestNothingIsAcknowledgedThatAnotherWroteOverMeanwhile(t *testing.T) {
	junk := []byte(strings.Repeat("not of SQLite", 1000))
	for file, overs := range map[string]map[string]func(t *testing.T, path string){
		"paragon.db": {
			"cut off":     func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
			"other bytes": func(t *testing.T, path string) { overwrite(t, path, junk, 0, false) },
		},
		"paragon.db-wal": {
			"cut off":     func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
			"other bytes": func(t *testing.T, path string) { overwrite(t, path, junk, 0, false) },
		},
	} {
		for name, over := range overs {
			h, _, path := healthyBackend(t)
			send(t, h, "before")
			path = filepath.Join(filepath.Dir(path), file)
			err := h.write(t.Context(), func(*tx) error { over(t, path); return nil })
			if err == nil {
				t.Errorf("%s %s: acknowledged", file, name)
			}
			wantFault(t, err, overwritten(path))
			wantFault(t, h.Platform().Queues.Send(t.Context(), queue, benchMessage("a")), overwritten(path))
		}
	}
}

// A backup that is copied over the data file of a running stage is what the next start
// finds: stopping writes nothing into it.
func TestStoppingLeavesABackupThatWasCopiedOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h, err := Open(t.Context(), path, Options{})
	must(t, err)
	for i := range 300 {
		send(t, h, fmt.Sprint("new", i))
	}
	backup := backupOf(t, "old")
	overwrite(t, path, backup, 0, true)
	wantFault(t, h.WriteFault(), overwritten(path))
	must(t, h.Close())
	data, err := os.ReadFile(path)
	must(t, err)
	if string(data) != string(backup) {
		t.Error("the backup was written to")
	}
	again := openAt(t, path, Options{})
	ds, err := again.Platform().Queues.Receive(t.Context(), queue, 10, time.Minute, 0)
	if err != nil || len(ds) != 1 || ds[0].Message.ID != "old" {
		t.Errorf("received %+v, error %v", ds, err)
	}
}

// What this process itself writes back to the data file is never taken for the write of
// another one.
func TestOwnWritesAreNotAnothers(t *testing.T) {
	h := open(t, Options{})
	_, err := h.writes.stmts.exec(`PRAGMA wal_autocheckpoint(3)`)
	must(t, err)
	stop, polls := make(chan struct{}), sync.WaitGroup{}
	polls.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := h.WriteFault(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 200 {
				if err := h.Platform().Settings.Set(t.Context(), fmt.Sprint(i%7), strings.Repeat("x", i*50)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	polls.Wait()
}
