package process

import (
	"bytes"
	"log/slog"
)

// maxLine is the most of one line that is logged, in bytes; the rest of the
// line is dropped.
const maxLine = 4096

// lines logs what is written to it, line by line. One goroutine writes.
type lines struct {
	name   string
	logger *slog.Logger
	rest   []byte // the line so far, of at most maxLine bytes
	last   string // the last line that was not empty
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
	l.last = string(line)
	if l.logger != nil {
		l.logger.Info(l.name + ": " + l.last)
	}
}
