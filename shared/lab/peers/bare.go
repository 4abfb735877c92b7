package peers

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// Bare is the limit: the library called in this process, decoding included,
// with a runner a core and nothing around it.
type Bare struct {
	Runners int
}

// Name is "bare".
func (Bare) Name() string { return "bare" }

// Start loads the network.
func (b Bare) Start(ctx context.Context, w *Workload) (Running, error) {
	onnx, err := os.ReadFile(w.ONNX)
	if err != nil {
		return nil, fmt.Errorf("read the network: %w", err)
	}
	e, err := engine.New(engine.Options{Runners: b.Runners})
	if err != nil {
		return nil, err
	}
	m, err := e.Load(ctx, w.Model.Name, onnx, 1)
	if err != nil {
		_ = e.Close()
		return nil, err
	}
	return &bareRun{w, e, m, make(chan struct{}, b.Runners)}, nil
}

// bareRun has as many callers at work at once as there are runners: decoding
// takes a core too.
type bareRun struct {
	w       *Workload
	engine  *engine.Engine
	model   *engine.Model
	runners chan struct{}
}

func (r *bareRun) Connect() (Conn, error) { return &bareConn{run: r}, nil }
func (r *bareRun) Stop()                  { _ = r.engine.Close() } // nothing runs any more

// Usage is this process's: apart from the loop there is little in it.
func (r *bareRun) Usage() (Usage, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return Usage{}, fmt.Errorf("read this process's CPU time: %w", err)
	}
	mb, err := memoryMB(os.Getpid())
	return Usage{time.Duration(u.Utime.Nano() + u.Stime.Nano()), mb}, err
}

type bareConn struct {
	run    *bareRun
	scores []float32
}

func (c *bareConn) Close() {}

// Call decodes an input and infers.
func (c *bareConn) Call(ctx context.Context, input int) error {
	c.run.runners <- struct{}{}
	defer func() { <-c.run.runners }()
	in, err := c.run.w.decode(input)
	if err != nil {
		return err
	}
	out, err := c.run.model.Run(ctx, in)
	preprocess.Free(c.run.w.Kind.ContentType(), in)
	c.scores = out.Data
	return err
}

func (c *bareConn) Answer() (Answer, error) { return best(c.scores), nil }

// decode turns an input into the network's tensor.
func (w *Workload) decode(input int) (engine.Tensor, error) {
	spec, raw := preprocess.Spec(*w.Model.Input), w.Inputs[input]
	if w.Kind != Tensor {
		return preprocess.Decode(w.Kind.ContentType(), raw, spec, preprocess.Limits{})
	}
	return engine.Tensor{Shape: spec.Shape(), Data: numbers(raw)}, nil
}

// numbers reads little-endian floats.
func numbers(raw []byte) []float32 {
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

// best is the class of the highest score.
func best(scores []float32) Answer {
	a := Answer{Index: -1, Score: math.Inf(-1), Scores: scores}
	for i, s := range scores {
		if float64(s) > a.Score {
			a.Index, a.Score = i, float64(s)
		}
	}
	return a
}
