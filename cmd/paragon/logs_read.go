package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// logLine is one record of the log.
type logLine struct {
	raw        string // as it is stored
	at         time.Time
	level      slog.Level
	message    string
	process    string   // empty for the server itself
	attributes []string // name=value, in the order of their names
}

// The kinds of processes.
const (
	serverProcess, workerProcess, functionProcess = "server", "worker", "function"
)

// What the names of workers begin with, on one machine and in an account.
const workerPrefix, instancePrefix = "w-", "i-"

// of is the name of the process.
func (l logLine) of() string {
	if l.process == "" {
		return serverProcess
	}
	return l.process
}

// kind is what the process is.
func (l logLine) kind() string {
	switch {
	case l.process == "":
		return serverProcess
	case strings.HasPrefix(l.process, workerPrefix), strings.HasPrefix(l.process, instancePrefix):
		return workerProcess
	}
	return functionProcess
}

// parseLogLine reads a record; false where a line is none, such as one that a crash cut.
func parseLogLine(raw string) (logLine, bool) {
	var fields map[string]json.RawMessage
	l := logLine{raw: raw}
	if json.Unmarshal([]byte(raw), &fields) != nil {
		return l, false
	}
	for name, into := range map[string]any{slog.TimeKey: &l.at, slog.LevelKey: &l.level, slog.MessageKey: &l.message} {
		if json.Unmarshal(fields[name], into) != nil {
			return l, false
		}
		delete(fields, name)
	}
	if json.Unmarshal(fields[process.Attribute], &l.process) == nil {
		delete(fields, process.Attribute)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if string(fields[name]) == "null" { // an error that there was not
			continue
		}
		l.attributes = append(l.attributes, name+"="+string(fields[name]))
	}
	return l, true
}

// logFilter takes the lines of a process, or a kind of them, from a level on.
type logFilter struct {
	process string // empty for all
	level   slog.Level
}

// String names the lines that it takes.
func (f logFilter) String() string {
	text := "level " + strings.ToLower(f.level.String()) + " or above"
	if f.process != "" {
		text += fmt.Sprintf(" by process %q", f.process)
	}
	return text
}

func (f logFilter) takes(l logLine) bool {
	return l.level >= f.level && (f.process == "" || f.process == l.of() || f.process == l.kind())
}

// logTail reads a log whose file is replaced when it is full.
type logTail struct {
	path string
	file *os.File
	in   *bufio.Reader
	cut  string // the beginning of a line whose end is not written yet

	processes map[string]bool // that last found lines of
}

// known refuses a name that no process of the log has, with those that there are.
func (t *logTail) known(name string) error {
	kinds := []string{serverProcess, workerProcess, functionProcess}
	all := append(slices.DeleteFunc(slices.Sorted(maps.Keys(t.processes)), func(p string) bool { return slices.Contains(kinds, p) }), kinds...)
	if name == "" || slices.Contains(all, name) {
		return nil
	}
	return cli.Usagef("--process is %q: the log has no line of such a process; name one of: %s%s", name, strings.Join(all, ", "), cli.Meant(name, all))
}

// last returns the last lines that a filter takes, at most a given number, of the files of a
// log, the oldest first. read continues after them. fs.ErrNotExist when there is no file.
func (t *logTail) last(files [2]string, filter logFilter, most int) (out []logLine, err error) {
	t.processes = map[string]bool{}
	take := func(l logLine) {
		t.processes[l.of()] = true
		if !filter.takes(l) {
			return
		}
		if out = append(out, l); len(out) > 2*most+1 {
			out = slices.Clone(out[len(out)-most:])
		}
	}
	earlier := &logTail{path: files[0]}
	if err := earlier.read(take); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	earlier.close()
	if err := t.read(take); err != nil {
		return nil, err
	}
	return out[max(0, len(out)-most):], nil
}

// read reads the lines that were added, in a new file where the last one was replaced.
func (t *logTail) read(do func(logLine)) error {
	if t.file == nil {
		if err := t.open(); err != nil {
			return fmt.Errorf("open the log: %w", err)
		}
	}
	if err := t.lines(do); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	open, err := t.file.Stat()
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	if now, err := os.Stat(t.path); err != nil || os.SameFile(open, now) {
		return nil // between two files there is none
	}
	if err := t.lines(do); err != nil { // what was written before it was replaced
		return fmt.Errorf("read the log: %w", err)
	}
	t.close()
	return t.read(do)
}

func (t *logTail) open() (err error) {
	if t.file, err = os.Open(t.path); err != nil {
		return err
	}
	t.in, t.cut = bufio.NewReaderSize(t.file, 64<<10), ""
	return nil
}

// lines reads whole lines to the end of the file.
func (t *logTail) lines(do func(logLine)) error {
	for {
		more, err := t.in.ReadString('\n')
		t.cut += more
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if l, ok := parseLogLine(strings.TrimSuffix(t.cut, "\n")); ok {
			do(l)
		}
		t.cut = ""
	}
}

func (t *logTail) close() {
	if t.file != nil {
		_ = t.file.Close() // it was only read
		t.file = nil
	}
}
