package main

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
)

// An interrupted load reports what it has.
func TestInterruptedLoadReports(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	api := &clienttest.API{}
	var asked atomic.Int64
	term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/queries" {
			if asked.Add(1) == 3 {
				cancel()
			}
		}
		api.ServeHTTP(w, r)
	}))
	args := []string{"load", "--task", "fashion", "--rate", "500", "--for", "1h", "--max-outstanding", "1"}
	if code := term.Run(ctx, args); code != cli.ExitOK {
		t.Errorf("exit status %d: %s", code, &term.Err)
	}
	if !strings.Contains(term.Out.String(), "stopped before its end") {
		t.Errorf("printed %s", &term.Out)
	}
}
