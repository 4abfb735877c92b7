// Package clitest runs commands in tests: in this process with what they print
// kept, or as processes of their own by scripts, against a fake API.
package clitest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/client/clienttest"
)

// Root makes a command tree at a terminal.
type Root = func(*cli.Terminal) *cobra.Command

// Terminal is one whose output is kept and whose clock a test moves.
type Terminal struct {
	*cli.Terminal
	Out, Err bytes.Buffer
	Env      map[string]string // the whole environment

	root Root
}

// NewTerminal is a terminal whose environment names a server that does as h does.
func NewTerminal(t *testing.T, root Root, h http.Handler) *Terminal {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return NewTerminalIn(root, map[string]string{"PARAGON_ENDPOINT": server.URL})
}

// NewTerminalIn is a terminal in an environment.
func NewTerminalIn(root Root, env map[string]string) *Terminal {
	term := &Terminal{root: root, Env: env}
	term.Terminal = cli.New(strings.NewReader(""), &term.Out, &term.Err, func(name string) string { return term.Env[name] })
	return term
}

// Run does one command and returns its exit status.
func (t *Terminal) Run(ctx context.Context, args []string) int {
	return t.Terminal.Run(ctx, t.root(t.Terminal), args)
}

// RunScripts runs the scripts of testdata/script against a fake API; with update
// their expected output is written anew.
func RunScripts(t *testing.T, update bool) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			server := httptest.NewServer(&clienttest.API{})
			guarded := httptest.NewServer(&clienttest.API{Token: "s3cret"})
			e.Defer(server.Close)
			e.Defer(guarded.Close)
			e.Setenv("PARAGON_ENDPOINT", server.URL)
			e.Setenv("GUARDED", guarded.URL)
			return writePictures(e.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": exitStatus},
	})
}

// exitStatus runs a command and holds its exit status to the first argument.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := "0"
	if errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("run %s: %v", args[1], err)
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// writePictures makes inputs whose outcome at the fake is their content.
func writePictures(dir string) error {
	const png = "\x89PNG\r\n\x1a\n"
	for name, content := range map[string]string{
		"boot.png": png + "boot", "bag.png": png + "bag", "photo.jpg": "\xff\xd8\xff photo", "raw.f32": "numbers",
		"declined.png": png + clienttest.Declined, "fails.png": png + clienttest.Fails, "pends.png": png + clienttest.Pends,
		"refused.png": png + clienttest.Refused, "busy.png": png + clienttest.Busy, "words.txt": "words",
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}
