package chaos

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// Nobody writes while the file is locked, and afterwards anybody does.
func TestLockStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "paragon.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE t (x)"); err != nil {
		t.Fatal(err)
	}
	err = lockStore(t.Context(), file, func(context.Context) error {
		if _, err := db.Exec("INSERT INTO t VALUES (1)"); err == nil {
			t.Error("the store is written while it is locked")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO t VALUES (1)"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A full disk takes no byte more, and has room again. Without root there is none to fill.
func TestFillDisk(t *testing.T) {
	dir := t.TempDir()
	if err := mount(dir, 1); err != nil {
		t.Logf("no disk can be filled here: %v", err)
		return
	}
	defer func() {
		if err := unmount(dir); err != nil {
			t.Error(err)
		}
	}()
	if err := fill(dir); err != nil {
		t.Fatal(err)
	}
	write := func() error { return os.WriteFile(filepath.Join(dir, "more"), make([]byte, 1), 0o600) }
	if write() == nil {
		t.Error("a full disk takes a byte")
	}
	if err := empty(dir); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A record that reads otherwise than its query ended is found.
func TestDiffers(t *testing.T) {
	ended := load.Answer{ID: "q", State: query.Succeeded, Label: "bag"}
	at := ended.EndedAt
	same := api.Query{State: query.Succeeded, FinishedAt: &at, Result: &query.Result{Label: "bag"}}
	if why := differs(ended, same, nil); why != "" {
		t.Errorf("the same: %s", why)
	}
	later := at.Add(1)
	for name, q := range map[string]api.Query{
		"state":  {State: query.Failed, FinishedAt: &at},
		"time":   {State: query.Succeeded, FinishedAt: &later, Result: same.Result},
		"answer": {State: query.Succeeded, FinishedAt: &at, Result: &query.Result{Label: "boot"}},
		"none":   {State: query.Accepted},
	} {
		if differs(ended, q, nil) == "" {
			t.Errorf("another %s is not found", name)
		}
	}
	if differs(ended, api.Query{}, errors.New("404")) == "" {
		t.Error("one that cannot be read is not found")
	}
}
