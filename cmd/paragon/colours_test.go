package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/cli/clitest"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
)

var sequences = regexp.MustCompile("\x1b\\[[0-9;]*m")

// printed is what a command prints at a server that has answered one query; a watch ends
// after one reading.
func printed(t *testing.T, force string, args ...string) string {
	t.Helper()
	server := httptest.NewServer(&clienttest.API{})
	defer server.Close()
	term := clitest.NewTerminalIn(newRoot, map[string]string{"PARAGON_ENDPOINT": server.URL, "CLICOLOR_FORCE": force})
	term.Sleep = func(context.Context, time.Duration) error { return errors.New("interrupted") }
	for _, words := range [][]string{{"submit", "--task", "fashion", "--key", "one", "../../profiles/fashion/testdata/0000-ankle-boot.png"}, args} {
		term.Out.Reset()
		if code := term.Run(t.Context(), words); code != cli.ExitOK {
			t.Errorf("%v: %s", words, &term.Err)
		}
	}
	return strings.ReplaceAll(term.Out.String(), server.URL, "http://server")
}

// Forced colors change nothing but colors, and JSON has none.
func TestColours(t *testing.T) {
	for command, want := range map[string]string{
		"status":         "\x1b[1mPOOL",
		"status --watch": "\x1b[1mPOOL",
		"top":            "\x1b[1mCLASS",
		"list":           "\x1b[32msucceeded\x1b[0m",
		"doctor":         "\x1b[33mwarning \x1b[0m",
		"models":         "\x1b[1mTASK",
		"history":        "\x1b[1mMODEL",
		"usage":          "\x1b[1mOWNER",
		"tune list":      "\x1b[1mSETTING",
	} {
		args := strings.Fields(command)
		plain, forced := printed(t, "", args...), printed(t, "1", args...)
		if !strings.Contains(forced, want) {
			t.Errorf("%s: no %q in %q", command, want, forced)
		}
		if strings.Contains(plain, "\x1b") || sequences.ReplaceAllString(forced, "") != plain {
			t.Errorf("%s: with colours %q, without %q", command, forced, plain)
		}
		if got := printed(t, "1", append(args, "--json")...); strings.Contains(got, "\x1b") {
			t.Errorf("%s --json has colours: %q", command, got)
		}
	}
}
