package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// killed copies the files of a running backend, as a kill leaves them, and returns the path of
// the copied data file.
func killed(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	for _, end := range []string{"", "-wal", ".lock"} {
		data, err := os.ReadFile(path + end)
		must(t, err)
		must(t, os.WriteFile(to+end, data, 0o600))
	}
	return to
}

// ids are those of the messages that wait, in order.
func ids(t *testing.T, h *Backend) (out []string) {
	t.Helper()
	must(t, h.reads.each(scanNames(func(id string) { out = append(out, id) }), `SELECT message ->> 'id' FROM messages ORDER BY seq`))
	return out
}

// running is a backend that has stored more than its data file holds, with the ids of that.
func running(t *testing.T) (h *Backend, path string, sent []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "paragon.db")
	h = openAt(t, path, Options{})
	for i := range 100 {
		sent = append(sent, fmt.Sprint("new", i))
		must(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: sent[i]}))
	}
	return h, path, sent
}

// A backup was copied over the data file of a process that was killed. The next start refuses
// to mix it with the log that the process left, with or without the backup's lock file, and
// says what to delete; without the log it has what the backup has.
func TestABackupIsNotMixedWithTheLogOfAKilledRun(t *testing.T) {
	old := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, old, Options{})
	must(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: "old"}))
	must(t, h.Close())
	for name, copied := range map[string][]string{"the file": {""}, "the folder": {"", ".lock"}} {
		_, path, _ := running(t)
		path = killed(t, path)
		for _, end := range copied {
			data, err := os.ReadFile(old + end)
			must(t, err)
			overwrite(t, path+end, data, 0, true)
		}
		for range 2 {
			if _, err := Open(t.Context(), path, Options{}); err == nil || !strings.Contains(err.Error(), "delete paragon.db-wal") {
				t.Fatalf("%s: opened, error %v", name, err)
			}
		}
		must(t, os.Remove(path+"-wal"))
		if got := ids(t, openAt(t, path, Options{})); fmt.Sprint(got) != "[old]" {
			t.Errorf("%s: %v are there", name, got)
		}
	}
}

// A backup was copied over the data file of a running process, which is killed once it has
// noticed that: the next start has what the backup has.
func TestAKillLeavesABackupThatWasCopiedOver(t *testing.T) {
	h, path, _ := running(t)
	overwrite(t, path, backupOf(t, "old"), 0, true)
	wantFault(t, h.WriteFault(), overwritten(path))
	if got := ids(t, openAt(t, killed(t, path), Options{})); fmt.Sprint(got) != "[old]" {
		t.Errorf("%v are there", got)
	}
}

// The log belongs to the data file whenever the process is killed: while it sets its mark the
// file may have either one. A lock file that somebody deleted says nothing, nor does that of a
// release without marks, nor one next to a log that is empty.
func TestWhereTheLogBelongsToTheFile(t *testing.T) {
	h, path, sent := running(t)
	mark := h.health.mark
	if now, err := markOf(h.health.content.data); err != nil || now != mark || mark == 0 {
		t.Fatalf("the data file has mark %d of run %d, error %v", now, mark, err)
	}
	for _, c := range []struct {
		name  string
		lock  string // "-": there is none
		spoil func(t *testing.T, path string)
		opens bool
	}{
		{"killed", noted(mark), nil, true},
		{"before the mark was set", noted(mark, mark+2), nil, true},
		{"as the mark was set", noted(mark-2, mark), nil, true},
		{"of another run", noted(mark + 2), nil, false},
		{"of a run that ended in order", "", nil, false},
		{"without a lock file", "-", nil, true},
		{"a lock file of something else", "7 x", nil, false},
		{"without a data file", noted(mark), func(t *testing.T, path string) { must(t, os.Remove(path)) }, true},
		{"with an empty data file", noted(mark), func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, true},
		{"of a release without marks", "", func(t *testing.T, path string) { overwrite(t, path, []byte{0, 0, 0, 0}, markAt, false) }, true},
		{"with an empty log", noted(mark + 2), func(t *testing.T, path string) { must(t, os.Truncate(path+"-wal", 0)) }, true},
		{"without a log", noted(mark + 2), func(t *testing.T, path string) { must(t, os.Remove(path+"-wal")) }, true},
	} {
		p := killed(t, path)
		must(t, os.WriteFile(p+".lock", []byte(c.lock), 0o600))
		if c.lock == "-" {
			must(t, os.Remove(p+".lock"))
		}
		if c.spoil != nil {
			c.spoil(t, p)
		}
		again, err := Open(t.Context(), p, Options{})
		if (err == nil) != c.opens {
			t.Errorf("%s: error %v", c.name, err)
		}
		if err != nil {
			continue
		}
		if got := ids(t, again); c.spoil == nil && fmt.Sprint(got) != fmt.Sprint(sent) {
			t.Errorf("%s: %v are there", c.name, got)
		}
		must(t, again.Close())
	}
}

// A run that ends in order leaves no mark in the lock file, and one that cannot write its log
// back, as another program reads the file, leaves its own: the log belongs to the file.
func TestTheLockSaysWhetherTheLogIsNeeded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	h := openAt(t, path, Options{})
	must(t, h.Platform().Queues.Send(t.Context(), queue, query.Message{ID: "a"}))
	other, err := openDB(path)
	must(t, err)
	defer other.Close()
	reads, err := other.BeginTx(t.Context(), nil)
	must(t, err)
	var n int
	must(t, reads.QueryRow(`SELECT count(*) FROM messages`).Scan(&n))
	must(t, h.Close())
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Fatalf("the log of a file that is read: %v", err)
	}
	h = openAt(t, path, Options{})
	if got := ids(t, h); fmt.Sprint(got) != "[a]" {
		t.Errorf("%v are there", got)
	}
	must(t, reads.Rollback())
	must(t, other.Close())
	must(t, h.Close())
	if text, err := os.ReadFile(path + ".lock"); err != nil || len(text) != 0 {
		t.Errorf("the lock file has %q, error %v", text, err)
	}
	if _, err := os.Stat(path + "-wal"); !os.IsNotExist(err) {
		t.Errorf("the log is left: %v", err)
	}
}
