package main

import (
	"bytes"
	"context"
	unique "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/lab/fairness"
	"github.com/paragon-serving/paragon/shared/lab/load"
	"github.com/paragon-serving/paragon/shared/priority"
)

// neighbour is what runs at the same time as the quiet caller during a stretch.
type neighbour interface {
	start(ctx context.Context) error
	// wait returns what the noisy caller saw; nil without one.
	wait() (*load.Group, error)
}

// neighbour is that of a stretch; nil if there is none.
func (r *fairnessRun) neighbour(kind fairness.Neighbour) neighbour {
	switch kind {
	case fairness.Large, fairness.Share:
		return r.noisyLoad(kind)
	case fairness.Loops:
		return &idleLoops{lasts: largeLasts}
	}
	return nil
}

// idleLoops are endless loops outside the stage, one for each core.
type idleLoops struct {
	lasts time.Duration
	cmds  []*exec.Cmd
	end   context.CancelFunc
}

func (l *idleLoops) start(ctx context.Context) error {
	ctx, l.end = context.WithTimeout(ctx, l.lasts)
	for range runtime.NumCPU() {
		cmd := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := cmd.Start(); err != nil {
			_, _ = l.wait()
			return fmt.Errorf("start a loop: %w", err)
		}
		priority.IdleProcess(cmd.Process.Pid)
		l.cmds = append(l.cmds, cmd)
	}
	return nil
}

// wait ends the loops, which have no other end.
func (l *idleLoops) wait() (*load.Group, error) {
	l.end()
	for _, cmd := range l.cmds {
		_ = cmd.Wait() // killed, as all of them are
	}
	return nil, nil
}

// noisyLoad is the noisy caller's program: `paragon-lab load` as a process of its own.
type noisyLoad struct {
	args  []string
	token string
	cmd   *exec.Cmd
	out   bytes.Buffer
	err   bytes.Buffer
}

// noisyLoad is the load of a stretch.
func (r *fairnessRun) noisyLoad(kind fairness.Neighbour) *noisyLoad {
	args := []string{"load", "--json", "--endpoint", r.url, "--task", machine.Defaults().Catalogue, "--constant", "--strict-share", "1", "--max-outstanding", "20000"}
	if m := r.model(); m != "" {
		args = append(args, "--model", m)
	}
	if kind == fairness.Large {
		args = append(args, "--rate", fmt.Sprint(largeRate), "--for", largeLasts.String(), "--latency-ms", fmt.Sprint(largeLatencyMS), "--files", filepath.Join(r.dir, "large"))
	} else {
		args = append(args, "--rate", fmt.Sprint(fairnessTimes*r.share), "--for", r.stretch.String(), "--latency-ms", fmt.Sprint(fairnessLatencyMS))
	}
	return &noisyLoad{args: args, token: r.tokens[1]}
}

// start starts it in the background of the stage, as a caller's program takes nothing of
// the machine that serves it.
func (n *noisyLoad) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the noisy caller's program: %w", err)
	}
	n.cmd = exec.CommandContext(ctx, self, n.args...)
	n.cmd.Env = append(os.Environ(), "PARAGON_TOKEN="+n.token)
	n.cmd.Stdout, n.cmd.Stderr = &n.out, &n.err
	priority.Background(func() { err = n.cmd.Start() })
	if err != nil {
		return fmt.Errorf("start the noisy caller: %w", err)
	}
	return nil
}

// wait returns what the noisy caller saw. That none of its queries was answered is no
// error.
func (n *noisyLoad) wait() (*load.Group, error) {
	var report load.Report
	exit := n.cmd.Wait()
	if err := json.Unmarshal(n.out.Bytes(), &report); err != nil {
		return nil, fmt.Errorf("the noisy caller: %w: %s", errors.Join(exit, err), bytes.TrimSpace(n.err.Bytes()))
	}
	return &report.All, nil
}

// writeTokens makes a token for each caller.
func (r *fairnessRun) writeTokens(path string) error {
	var text string
	for i, owner := range []string{"quiet", "noisy"} {
		r.tokens[i] = unique.Text() + unique.Text()
		text += fmt.Sprintf("%s caller %s\n", owner, r.tokens[i])
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the callers' tokens: %w", err)
	}
	return r.writeLarge(filepath.Join(r.dir, "large"))
}

// largeSide is the width and the height of a large picture, in pixels.
const largeSide = 4000

// writeLarge makes two pictures that are small as files: a JPEG and a PNG.
func (r *fairnessRun) writeLarge(dir string) error {
	m := image.NewRGBA(image.Rect(0, 0, largeSide, largeSide))
	for y := range largeSide {
		for x := range largeSide {
			m.SetRGBA(x, y, color.RGBA{R: uint8(x / 16), G: uint8(y / 16), B: uint8((x + y) / 32), A: 255})
		}
	}
	var asJPEG, asPNG bytes.Buffer
	err := errors.Join(jpeg.Encode(&asJPEG, m, nil), png.Encode(&asPNG, m), os.Mkdir(dir, 0o700))
	if err == nil {
		err = errors.Join(os.WriteFile(filepath.Join(dir, "large.jpg"), asJPEG.Bytes(), 0o600), os.WriteFile(filepath.Join(dir, "large.png"), asPNG.Bytes(), 0o600))
	}
	if err != nil {
		return fmt.Errorf("make the large pictures: %w", err)
	}
	return nil
}
