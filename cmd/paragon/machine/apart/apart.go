// Package apart simulates schemes in another process. A server that did so in its own
// process held up the goroutines of requests by 20 to 40 ms.
package apart

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/priority"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// Program is a program that calls Serve, with its arguments.
type Program []string

// job is what is simulated, as JSON. What JSON leaves out of a case, a stage does not set.
type job struct {
	Case    comparison.Case
	Schemes []string
}

// result is what comes of it, as gob, which unlike JSON has infinite ratios; Fault says why nothing does.
type result struct {
	Ran   []comparison.Ran
	Fault string
}

// Play is comparison.Play in a process of a lower priority, on one core. It is
// killed when ctx ends.
func (p Program) Play(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error) {
	j := job{Case: c}
	for _, s := range schemes {
		j.Schemes = append(j.Schemes, s.Name())
	}
	in, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("write what is to be simulated: %w", err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, p[0], p[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = []string{"GOMAXPROCS=1"}, bytes.NewReader(in), &out, os.Stderr
	if priority.Background(func() { err = cmd.Start() }); err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("simulate in another process: %w", err)
	}
	var r result
	if err := gob.NewDecoder(&out).Decode(&r); err != nil {
		return nil, fmt.Errorf("read the result of the simulation: %w", err)
	}
	if r.Fault != "" {
		return nil, fmt.Errorf("simulate in another process: %s", r.Fault)
	}
	return r.Ran, nil
}

// Serve simulates what in says, and writes the result to out.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("read what is to be simulated: %w", err)
	}
	var r result
	var err error
	if r.Ran, err = j.play(ctx); err != nil {
		r.Fault = err.Error()
	}
	if err := gob.NewEncoder(out).Encode(r); err != nil {
		return fmt.Errorf("write what was simulated: %w", err)
	}
	return nil
}

func (j job) play(ctx context.Context) ([]comparison.Ran, error) {
	var schemes []procurement.Scheme
	for _, name := range j.Schemes {
		s, err := rivals.Get(name)
		if err != nil {
			return nil, err
		}
		schemes = append(schemes, s)
	}
	return comparison.Play(ctx, j.Case, schemes, nil)
}
