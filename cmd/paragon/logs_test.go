package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
)

const (
	serverLine   = `{"time":"2026-11-26T12:00:00Z","level":"WARN","msg":"a worker hangs","worker":"w-1"}` + "\n"
	workerLine   = `{"time":"2026-11-26T12:00:01Z","level":"INFO","msg":"a run failed","code":"bad_input","error":null,"process":"w-1"}` + "\n"
	functionLine = `{"time":"2026-11-26T12:00:02Z","level":"ERROR","msg":"cannot\u001b[31m start","process":"inference-1024"}` + "\n"
	cutLine      = `{"time":"2026-11-26T12:00:03Z","le`
)

// logged is a data folder with a log.
func logged(t *testing.T, earlier, now string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i, text := range []string{earlier, now} {
		if err := os.WriteFile(machine.LogFiles(dir)[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLogs(t *testing.T) {
	dir := logged(t, serverLine, workerLine+functionLine+cutLine)
	for name, c := range map[string]struct {
		args []string
		has  []string // words of the lines, in order
	}{
		"all":             {nil, []string{"WARN   server  a worker hangs", "INFO   w-1  a run failed  code=\"bad_input\"", "ERROR  inference-1024  cannot [31m start"}},
		"the last":        {[]string{"--lines", "1"}, []string{"ERROR"}},
		"none":            {[]string{"-n", "0"}, nil},
		"warnings":        {[]string{"--level", "warn"}, []string{"WARN", "ERROR"}},
		"one worker":      {[]string{"--process", "w-1"}, []string{"a run failed"}},
		"all workers":     {[]string{"-p", "worker"}, []string{"a run failed"}},
		"all functions":   {[]string{"-p", "function", "--level", "ERROR"}, []string{"start"}},
		"the server":      {[]string{"-p", "server"}, []string{"hangs"}},
		"as it is kept":   {[]string{"-p", "server", "--json"}, []string{strings.TrimSpace(serverLine)}},
		"without a fault": {[]string{"-p", "w-1"}, []string{"a run failed  code=\"bad_input\"\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			term := newTerminal(t, nil)
			if code := term.Run(t.Context(), append([]string{"logs", "--data", dir}, c.args...)); code != cli.ExitOK {
				t.Fatalf("exit status %d: %s", code, &term.Err)
			}
			lines := slices.Collect(strings.Lines(term.Out.String()))
			if len(lines) != len(c.has) {
				t.Fatalf("printed %q, want %d lines", lines, len(c.has))
			}
			for i, want := range c.has {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %q has no %q", lines[i], want)
				}
			}
		})
	}
}

// Where nothing is printed, it says of what there was nothing.
func TestNoLogsAreSaidToBeNone(t *testing.T) {
	dir := logged(t, serverLine, workerLine)
	for args, want := range map[string]string{"--level error": "level error or above", "-p function": `process "function" in`} {
		term := newTerminal(t, nil)
		code := term.Run(t.Context(), append([]string{"logs", "--data", dir}, strings.Fields(args)...))
		if code != cli.ExitOK || term.Out.String() != "" || !strings.Contains(term.Err.String(), want) {
			t.Errorf("%s: exit status %d, printed %q and %q", args, code, &term.Out, &term.Err)
		}
	}
}

func TestWrongLogs(t *testing.T) {
	dir := logged(t, "", workerLine)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--level", "loud"}, cli.ExitUsage, "debug, info, warn or error"},
		{[]string{"--level", "warn+1"}, cli.ExitUsage, "--level"},
		{[]string{"--lines", "-1"}, cli.ExitUsage, "0 to 100000"},
		{[]string{"-p", "wroker"}, cli.ExitUsage, `server, worker, function; did you mean "worker"?`},
		{[]string{"-p", "w-2"}, cli.ExitUsage, "of: w-1, server,"},
		{[]string{"--data", t.TempDir()}, cli.ExitFailure, "--data"},
	} {
		term := newTerminal(t, nil)
		code := term.Run(t.Context(), append([]string{"logs", "--data", dir}, c.args...))
		if text := term.Err.String(); code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%v: exit status %d: %s", c.args, code, text)
		}
	}
}

// A followed log goes on where a line was cut, and in the file that takes the place of
// a full one.
func TestLogsAreFollowed(t *testing.T) {
	dir := logged(t, "", serverLine)
	files := machine.LogFiles(dir)
	add := func(text string) {
		f, err := os.OpenFile(files[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	steps := []func(){
		func() { add(workerLine[:20]) },
		func() { add(workerLine[20:]) },
		func() {
			add(functionLine)
			if err := os.Rename(files[1], files[0]); err != nil {
				t.Fatal(err)
			}
		},
		func() { add(workerLine) },
	}
	term := newTerminal(t, nil)
	term.Sleep = func(context.Context, time.Duration) error {
		if len(steps) == 0 {
			return errors.New("interrupted")
		}
		steps[0]()
		steps = steps[1:]
		return nil
	}
	if code := term.Run(t.Context(), []string{"logs", "--data", dir, "--follow"}); code != cli.ExitOK {
		t.Fatalf("exit status %d: %s", code, &term.Err)
	}
	var got []string
	for line := range strings.Lines(term.Out.String()) {
		got = append(got, strings.Fields(line)[3])
	}
	if want := "server w-1 inference-1024 w-1"; strings.Join(got, " ") != want {
		t.Errorf("lines of %q, want %s", got, want)
	}
}
