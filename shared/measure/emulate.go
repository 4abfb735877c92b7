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

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// mbPerVCPU is the memory of a function that buys one vCPU.
const mbPerVCPU = 1769

// maxReport bounds what a child may print.
const maxReport = 64 << 10

// RunOnSignal is the child's part of a measurement under a share: it waits for
// a line, by which time it has its share, measures and prints the figure.
func RunOnSignal(ctx context.Context, s Subject, p Plan, in io.Reader, out io.Writer) error {
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the share: %w", err)
	}
	l, err := Measure(ctx, s, Setting{Threads: 1, Batch: 1, Concurrency: 1}, p)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(l)
}

// AsFunction measures a model as a function of so much memory would run it on
// this machine's CPU: a child, which runs RunWhenTold, in a control group with
// the share of a vCPU that the memory buys. ErrNoShares where there are none.
func AsFunction(ctx context.Context, memoryMB int, arch string, child *exec.Cmd) (profile.Latency, error) {
	share, err := NewShare(float64(memoryMB) / mbPerVCPU)
	if err != nil {
		return profile.Latency{}, err
	}
	l, err := inShare(share, child)
	if err = errors.Join(err, share.Close()); err != nil {
		return l, fmt.Errorf("measure at %d MB: %w", memoryMB, err)
	}
	l.Resource, l.MemoryMB = "lambda-"+arch, memoryMB
	return l, nil
}

func inShare(share *Share, child *exec.Cmd) (l profile.Latency, err error) {
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return l, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return l, err
	}
	if err := child.Start(); err != nil {
		return l, err
	}
	if err = share.Add(child.Process.Pid); err == nil {
		_, err = io.WriteString(in, "\n")
	}
	err = errors.Join(err, in.Close())
	raw, readErr := io.ReadAll(io.LimitReader(out, maxReport))
	if err = errors.Join(err, readErr, child.Wait()); err != nil {
		return l, err
	}
	return l, json.Unmarshal(raw, &l)
}
