package modelcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"

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
		return r, fmt.Errorf("the process that ran the model ended: %w: %s", err, bytes.TrimSpace(complaints.Bytes()))
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("read the result of the model's test run: %w", err)
	}
	if r.Why != "" {
		return r, fmt.Errorf("the model cannot be run: %s", r.Why)
	}
	return r, nil
}

// Limited keeps the first Left bytes of what is written.
type Limited struct {
	bytes.Buffer
	Left int
}

func (l *Limited) Write(p []byte) (int, error) {
	kept := p[:min(len(p), l.Left)]
	l.Left -= len(kept)
	_, err := l.Buffer.Write(kept)
	return len(p), err
}
