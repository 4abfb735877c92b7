package measure

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine"
)

// ColdReport is what a child process prints when it has given its first answer.
type ColdReport struct {
	MemoryMB int    `json:"memory_mb"` // resident, at its highest
	Library  string `json:"library"`   // version of ONNX Runtime
}

// RunCold is the child's part of a cold start: it opens the library, loads the
// model, answers once and prints a ColdReport.
func RunCold(ctx context.Context, s Subject, out io.Writer) error {
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return err
	}
	l, err := s.load(ctx, e, 1)
	if err == nil {
		err = l.run(ctx, 1, 0)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cold run of %s: %w", s.Name, err), e.Close())
	}
	memory, err := PeakMemoryMB()
	r := ColdReport{MemoryMB: memory, Library: e.LibraryVersion()}
	return errors.Join(err, json.NewEncoder(out).Encode(r), e.Close())
}

// Cold starts a child n times and returns how long each took from its start to
// its first answer, which holds one warm run too, and the largest report.
func Cold(ctx context.Context, n int, child func(context.Context) *exec.Cmd, tick func()) (profile.Percentiles, ColdReport, error) {
	var times []time.Duration
	var most ColdReport
	for range n {
		took, r, err := coldOnce(child(ctx))
		if err != nil {
			return profile.Percentiles{}, most, fmt.Errorf("cold start: %w", err)
		}
		times = append(times, took)
		most.Library, most.MemoryMB = r.Library, max(most.MemoryMB, r.MemoryMB)
		tick()
	}
	p, _ := summarize(times)
	return p, most, nil
}

func coldOnce(c *exec.Cmd) (took time.Duration, r ColdReport, err error) {
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, r, err
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		return 0, r, err
	}
	line, readErr := bufio.NewReader(io.LimitReader(out, 4096)).ReadBytes('\n')
	took = time.Since(start)
	if readErr == nil {
		readErr = json.Unmarshal(line, &r)
	}
	return took, r, errors.Join(readErr, c.Wait())
}

// PeakMemoryMB reads the most memory that this process had resident; 0 where
// the system does not say.
func PeakMemoryMB() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read resident memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")))
			return (n + 1023) / 1024, err
		}
	}
	return 0, nil
}
