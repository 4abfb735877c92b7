package admin_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// settingsService changes settings over a backend on one machine.
func settingsService(t *testing.T) *admin.Service {
	t.Helper()
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { backend.Close() })
	h := backend.Platform()
	return &admin.Service{Backend: h, Tuned: admin.Read(h.Settings), Now: time.Now}
}

// Who changed a setting sees it, with what it was; and a change of an older version
// changes nothing.
func TestSettingsReadTheirOwnWrites(t *testing.T) {
	d := settingsService(t)
	before := "20"
	for _, value := range []string{"7", "8", "8", "9"} {
		got, err := d.Set(t.Context(), "max_workers", value)
		if err != nil || got.Before != before || got.Value != value {
			t.Fatalf("%+v, error %v, want %s -> %s", got, err, before, value)
		}
		page, err := d.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Settings {
			if s.Name == "max_workers" && s.Value != value {
				t.Errorf("set to %s, and read as %s", value, s.Value)
			}
		}
		before = value
	}
	page, err := d.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetIfUnchanged(t.Context(), "max_workers", "1", page.Version-1); !errors.Is(err, admin.ErrChanged) {
		t.Errorf("by an old version: %v", err)
	}
	if got, err := d.SetIfUnchanged(t.Context(), "min_workers", "1", page.Version); err != nil || got.Value != "1" {
		t.Errorf("by the version: %+v, error %v", got, err)
	}
	if _, err := d.SetIfUnchanged(t.Context(), "max_workers", "1", page.Version); !errors.Is(err, admin.ErrChanged) {
		t.Errorf("by the version, after another setting was changed: %v", err)
	}
}

// Of many changes by one version one is made, and each change says what it replaced.
func TestOneOfManyChangesByAVersionIsMade(t *testing.T) {
	d := settingsService(t)
	var made atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := d.SetIfUnchanged(t.Context(), "max_workers", fmt.Sprint(i+1), 0)
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, admin.ErrChanged):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d changes were made", n)
	}
}

// A change that died holds up the next for some seconds and no longer.
func TestAChangeThatDiedHoldsUpNobodyForLong(t *testing.T) {
	d := settingsService(t)
	now := time.Now()
	d.Now = func() time.Time { return now }
	half := fmt.Sprintf(`{"until":%q}`, now.Add(4*time.Second).Format(time.RFC3339Nano))
	if _, err := d.Backend.Shared.SwapShared(t.Context(), "settings-edit", []byte(half), 0); err != nil {
		t.Fatal(err)
	}
	now = now.Add(5 * time.Second)
	if _, err := d.Set(t.Context(), "max_workers", "3"); err != nil {
		t.Error(err)
	}
}
