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

// PrintOnce runs a model once and prints why that fails, or nothing, as RunProcess reads it.
func PrintOnce(ctx context.Context, c profile.CatalogueSource, files answer.Models, model string, out io.Writer) error {
	why := ""
	if err := Once(ctx, c, files, model); err != nil {
		why = err.Error()
	}
	return json.NewEncoder(out).Encode(why)
}

// RunProcess runs a command that calls PrintOnce. An error says why the model cannot be
// run.
func RunProcess(c *exec.Cmd) error {
	out, complaints := Limited{Left: mostOut}, Limited{Left: mostComplaints}
	c.Stdout, c.Stderr = &out, &complaints
	if err := c.Run(); err != nil {
		return fmt.Errorf("it took down the process that ran it: %w: %s", err, bytes.TrimSpace(complaints.Bytes()))
	}
	why := ""
	if err := json.Unmarshal(out.Bytes(), &why); err != nil {
		return fmt.Errorf("read how its run went: %w", err)
	}
	if why != "" {
		return fmt.Errorf("it cannot be run: %s", why)
	}
	return nil
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
