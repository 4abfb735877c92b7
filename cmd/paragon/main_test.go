package main

import (
	"errors"
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"paragon/shared/client/clienttest"
)

var update = flag.Bool("update", false, "write the expected output anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"paragon": main})
}

// The scripts run the command as a process of its own against a fake API.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
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

// writePictures makes inputs whose fate at the fake is their content.
func writePictures(dir string) error {
	const png = "\x89PNG\r\n\x1a\n"
	for name, content := range map[string]string{
		"boot.png": png + "boot", "bag.png": png + "bag", "photo.jpg": "\xff\xd8\xff photo", "raw.f32": "numbers",
		"bounced.png": png + clienttest.Bounced, "fails.png": png + clienttest.Fails, "pends.png": png + clienttest.Pends,
		"refused.png": png + clienttest.Refused, "busy.png": png + clienttest.Busy, "words.txt": "words",
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}
