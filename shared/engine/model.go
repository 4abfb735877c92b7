package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// Model is a loaded model. Its methods may be called from many goroutines.
type Model struct {
	engine *Engine
	name   string
	forget func() // takes the model out of its engine

	mu      sync.RWMutex // held for reading by runs, for writing by Close
	closed  bool
	session *onnxruntime.Session
}

// Name is what the model was loaded as.
func (m *Model) Name() string { return m.name }

// InputShape is the shape of the tensor that Run takes; -1 is any size.
func (m *Model) InputShape() []int64 { return slices.Clone(m.session.Input().Shape) }

// OutputShape is the shape of the tensor that Run gives; -1 is not known.
func (m *Model) OutputShape() []int64 { return slices.Clone(m.session.Output().Shape) }

// InputName is the input's name in the ONNX file.
func (m *Model) InputName() string { return m.session.Input().Name }

// OutputName is the output's name in the ONNX file.
func (m *Model) OutputName() string { return m.session.Output().Name }

// Run infers: in is a whole batch in the model's input shape, the result is
// the model's first output and the caller's own. It waits its turn for a
// runner, and ctx ends that wait; an inference that has begun runs to its end.
// An *InputError says that in does not fit the model or holds a number that is
// not finite; ErrClosed that the model was closed before the turn came.
func (m *Model) Run(ctx context.Context, in Tensor) (Tensor, error) {
	if err := m.check(in); err != nil {
		return Tensor{}, fmt.Errorf("model %q: %w", m.name, err)
	}
	if err := m.engine.gate.Acquire(ctx, 1); err != nil {
		return Tensor{}, fmt.Errorf("model %q: wait for a runner: %w", m.name, err)
	}
	defer m.engine.gate.Release(1)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return Tensor{}, fmt.Errorf("model %q: %w", m.name, ErrClosed)
	}
	out, err := m.session.Run(in)
	if err != nil {
		return Tensor{}, fmt.Errorf("model %q: %w", m.name, err)
	}
	return out, nil
}

// check finds out before the wait whether the input can be run at all.
func (m *Model) check(in Tensor) error {
	if err := tensor.CheckShape(in.Shape, m.session.Input().Shape); err != nil {
		return &InputError{Field: "shape", Reason: err.Error()}
	}
	if err := in.CheckLength(); err != nil {
		return &InputError{Field: "shape", Reason: err.Error()}
	}
	if err := in.CheckFinite(); err != nil {
		return &InputError{Field: "data", Reason: err.Error()}
	}
	return nil
}

// Close waits for the model's runs in progress and unloads it, for everyone
// who holds it; a later Load of the same file loads it anew. A second call
// does nothing.
func (m *Model) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	m.session.Close()
	m.forget()
}
