package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paragon/shared/client/clienttest"
	"paragon/shared/cloud"
)

// terminal is an app whose output is kept and whose clock a test moves.
type terminal struct {
	*app
	out, err bytes.Buffer
	home     cloud.Home // where a test has one
}

func newTerminal(t *testing.T, h http.Handler) *terminal {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	term := &terminal{}
	term.app = newApp(strings.NewReader(""), &term.out, &term.err, func(name string) string {
		if name == "PARAGON_ENDPOINT" {
			return server.URL
		}
		return ""
	})
	return term
}

// A watch reads once a second, says when nobody answers, goes on when somebody
// does again, and ends well when it is interrupted.
func TestWatch(t *testing.T) {
	api := &clienttest.API{}
	var gone atomic.Bool
	term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		api.ServeHTTP(w, r)
	}))
	naps := 0
	term.sleep = func(_ context.Context, d time.Duration) error {
		if d != time.Second {
			t.Errorf("slept %s", d)
		}
		naps++
		gone.Store(naps == 2)
		if naps == 4 {
			return errors.New("interrupted")
		}
		return nil
	}
	if code := term.run(t.Context(), []string{"status", "--watch"}); code != exitOK {
		t.Errorf("exit status %d: %s", code, &term.err)
	}
	if n := strings.Count(term.out.String(), "POOL"); n != 3 {
		t.Errorf("%d readings, want 3 of 4", n)
	}
	if n := strings.Count(term.err.String(), "trying again"); n != 1 {
		t.Errorf("said %d times that nobody answers: %s", n, &term.err)
	}
}

func TestWatchAsJSONIsALineEach(t *testing.T) {
	term := newTerminal(t, &clienttest.API{})
	naps := 0
	term.sleep = func(context.Context, time.Duration) error {
		if naps++; naps == 3 {
			return errors.New("interrupted")
		}
		return nil
	}
	if code := term.run(t.Context(), []string{"status", "--watch", "--json"}); code != exitOK {
		t.Errorf("exit status %d", code)
	}
	if lines := strings.Count(term.out.String(), "\n"); lines != 3 || strings.Contains(term.out.String(), "\x1b") {
		t.Errorf("%d lines: %q", lines, &term.out)
	}
}

// What a server says cannot move the cursor of the terminal.
func TestServersCannotWriteControlCharacters(t *testing.T) {
	term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"q1","state":"failed","failure":{"code":"x","detail":"\u001b[2Jgone\u009b"},"trail":[{"event":"placed","where":"a\u0007","why":"b\u001b"}]}`))
	}))
	if code := term.run(t.Context(), []string{"get", "q1"}); code != exitNoAnswer {
		t.Errorf("exit status %d", code)
	}
	if strings.ContainsAny(term.out.String(), "\x1b\x07\u009b") {
		t.Errorf("printed %q", &term.out)
	}
}

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
	if code := term.run(ctx, args); code != exitOK {
		t.Errorf("exit status %d: %s", code, &term.err)
	}
	if !strings.Contains(term.out.String(), "stopped before its end") {
		t.Errorf("printed %s", &term.out)
	}
}
