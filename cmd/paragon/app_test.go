package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
	"github.com/paragon-serving/paragon/shared/platform"
)

// terminal is one at which a stage may be operated.
type terminal struct {
	*clitest.Terminal
	backend platform.Backend // where a test has one
}

func newTerminal(t *testing.T, h http.Handler) *terminal {
	return &terminal{Terminal: clitest.NewTerminal(t, newRoot, h)}
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
	term.Sleep = func(_ context.Context, d time.Duration) error {
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
	if code := term.Run(t.Context(), []string{"status", "--watch"}); code != cli.ExitOK {
		t.Errorf("exit status %d: %s", code, &term.Err)
	}
	if n := strings.Count(term.Out.String(), "POOL"); n != 3 {
		t.Errorf("%d readings, want 3 of 4", n)
	}
	if n := strings.Count(term.Err.String(), "trying again"); n != 1 {
		t.Errorf("said %d times that nobody answers: %s", n, &term.Err)
	}
}

func TestWatchAsJSONIsALineEach(t *testing.T) {
	term := newTerminal(t, &clienttest.API{})
	naps := 0
	term.Sleep = func(context.Context, time.Duration) error {
		if naps++; naps == 3 {
			return errors.New("interrupted")
		}
		return nil
	}
	if code := term.Run(t.Context(), []string{"status", "--watch", "--json"}); code != cli.ExitOK {
		t.Errorf("exit status %d", code)
	}
	if lines := strings.Count(term.Out.String(), "\n"); lines != 3 || strings.Contains(term.Out.String(), "\x1b") {
		t.Errorf("%d lines: %q", lines, &term.Out)
	}
}

// What a server says cannot move the cursor of the terminal.
func TestServersCannotWriteControlCharacters(t *testing.T) {
	term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"q1","state":"failed","failure":{"code":"x","detail":"\u001b[2Jgone\u009b"},"trail":[{"event":"placed","where":"a\u0007","why":"b\u001b"}]}`))
	}))
	if code := term.Run(t.Context(), []string{"get", "q1"}); code != cli.ExitNoAnswer {
		t.Errorf("exit status %d", code)
	}
	if strings.ContainsAny(term.Out.String(), "\x1b\x07\u009b") {
		t.Errorf("printed %q", &term.Out)
	}
}
