package modelcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/answer"
)

// A process that is started for one model may be taken down by it; what started it is not.

const (
	mostOut        = 64 << 10
	mostComplaints = 4 << 10
)

// PrintOnce runs a model, as Once does, and prints how that went, as RunProcess reads it.
func PrintOnce(ctx context.Context, c profile.CatalogueSource, files answer.Models, model string, timed func(model string) bool, out io.Writer) error {
	r, err := Once(ctx, c, files, model, timed)
	if err != nil {
		r = Ran{Why: err.Error()}
	}
	return json.NewEncoder(out).Encode(r)
}

// RunProcess runs a command that calls PrintOnce. An error says why the model cannot be
// run.
func RunProcess(c *exec.Cmd) (r Ran, err error) {
	out, complaints := Limited{Left: mostOut}, Limited{Left: mostComplaints}
	c.Stdout, c.Stderr = &out, &complaints
	if err := c.Run(); err != nil {
		return r, fmt.Errorf("the process that ran the model ended: %w: %s", err, complaints.FirstLine())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("read the result of the model's test run: %w", err)
	}
	if r.Why != "" {
		return r, fmt.Errorf("the model cannot be run: %s", r.Why)
	}
	return r, nil
}

// Limited keeps the first Left bytes of what is written. It has no other method that takes
// bytes, so that nothing passes the bound by.
type Limited struct {
	Left int
	kept []byte
}

// Write implements io.Writer.
func (l *Limited) Write(p []byte) (int, error) {
	kept := p[:min(len(p), l.Left)]
	l.Left -= len(kept)
	l.kept = append(l.kept, kept...)
	return len(p), nil
}

// Bytes are what was kept.
func (l *Limited) Bytes() []byte { return l.kept }

// FirstLine is the first line that was written with anything on it: of a process that crashed
// why it did, without its stacks.
func (l *Limited) FirstLine() string {
	line, _, _ := strings.Cut(string(bytes.TrimSpace(l.kept)), "\n")
	return strings.TrimSpace(line)
}
