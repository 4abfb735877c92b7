package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

func TestWireNamesWhatIsMissing(t *testing.T) {
	_, err := wire(t.Context(), func(string) string { return "" })
	if err == nil || !strings.Contains(err.Error(), "PARAGON_LOCAL_URL") {
		t.Errorf("error %v", err)
	}
}

// wired is a controller on a backend of one machine, with more in its environment.
func wired(t *testing.T, more map[string]string) (controller, platform.Backend) {
	t.Helper()
	h, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	srv := httptest.NewServer(sqlite.NewServer(h))
	t.Cleanup(srv.Close)
	at := srv.URL + "/" + h.Register("controller")
	c, err := wire(t.Context(), func(name string) string {
		if name == "PARAGON_LOCAL_URL" {
			return at
		}
		return more[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, h.Platform()
}

// A shift ticks, and gives the lease up at its end.
func TestAShiftTicks(t *testing.T) {
	c, backend := wired(t, nil)
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.handle(ctx, started{}) }()
	for { // until it has ticked and published, which cost it a few calls each
		es, err := backend.DecisionLog.Entries(t.Context(), platform.EntryQuery{Pool: "general", Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := backend.Fleet.View(t.Context()); err == nil && len(es) == 1 {
			break
		} else if err != nil && !errors.Is(err, platform.ErrNotFound) {
			t.Fatal(err)
		}
	}
	end()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := backend.DecisionLog.AcquireLease(t.Context(), "the next shift", 1); err != nil {
		t.Errorf("the lease was not given up: %v", err)
	}
}
