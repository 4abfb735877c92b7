package process

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"regexp"
	"slices"
)

// maxLine is the most of one line that is logged, in bytes; the rest of the
// line is dropped.
const maxLine = 4096

// Attribute names the process of a logged line; lines of this process have none.
const Attribute = "process"

// lines logs what is written to it, line by line. One goroutine writes.
type lines struct {
	name   string
	logger *slog.Logger
	rest   []byte // the line so far, of at most maxLine bytes
	last   string // the line that says why it crashed, or else the last one that was not empty
	crash  bool   // last is the first line of a crash
}

func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, after, whole := bytes.Cut(p, []byte("\n"))
		room := maxLine - len(l.rest)
		l.rest = append(l.rest, line[:min(len(line), room)]...)
		if !whole {
			return n, nil
		}
		l.flush()
		p = after
	}
}

// flush logs what there is of a line.
func (l *lines) flush() {
	line := bytes.TrimRight(l.rest, "\r")
	l.rest = l.rest[:0] // line's bytes are copied below, before the next write
	if len(line) == 0 {
		return
	}
	if !l.crash {
		l.last, l.crash = string(line), crashBegins.Match(line)
	}
	if l.logger != nil {
		level, message, attributes := parse(line)
		l.logger.LogAttrs(context.Background(), level, message, append(attributes, slog.String(Attribute, l.name))...)
	}
}

// crashBegins is how the output of a crash of Go's runtime begins: with a signal, a
// panic, or an error of the runtime. Stacks and registers follow.
var crashBegins = regexp.MustCompile(`^(SIG[A-Z]+: |panic: |fatal error: )`)

// plainLine is how slog's default logger writes: a date, a time, a level, a message.
var plainLine = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (DEBUG|INFO|WARN|ERROR) (.*)$`)

// parse reads a line that a child logged by slog: its level, its message and its
// attributes, in the order of their names. Any other line is a message.
func parse(line []byte) (level slog.Level, message string, attributes []slog.Attr) {
	if m := plainLine.FindSubmatch(line); m != nil && level.UnmarshalText(m[1]) == nil {
		return level, string(m[2]), nil
	}
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		return slog.LevelInfo, string(line), nil
	}
	message, isText := fields[slog.MessageKey].(string)
	name, _ := fields[slog.LevelKey].(string) // an empty one is no level
	if !isText || level.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo, string(line), nil
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains([]string{slog.MessageKey, slog.LevelKey, slog.TimeKey, Attribute}, key) {
			attributes = append(attributes, slog.Any(key, fields[key]))
		}
	}
	return level, message, attributes
}
