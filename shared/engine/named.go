package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
)

// Value is an output of a run by name.
type Value = onnxruntime.Value

// Port is an input or an output of a model.
type Port = onnxruntime.Port

// Inputs describes what the model takes.
func (m *Model) Inputs() []Port { return m.session.Inputs() }

// Outputs describes what the model gives.
func (m *Model) Outputs() []Port { return m.session.Outputs() }

// Single says whether Run serves the model: it takes one float32 tensor, and its
// first output is one.
func (m *Model) Single() bool { return m.session.Single() }

// Takes are the inputs as a request must give them.
func (m *Model) Takes() []tensors.Spec {
	var out []tensors.Spec
	for _, p := range m.Inputs() {
		out = append(out, tensors.Spec{Name: p.Name, Datatype: p.Datatype, Shape: p.Shape})
	}
	return out
}

// RunNamed is Run for any model: in holds each of its inputs by name, and the
// result all of its outputs. An *InputError names the input that does not fit.
func (m *Model) RunNamed(ctx context.Context, in []tensors.Tensor) ([]Value, error) {
	if err := tensors.Fit(in, m.Takes()); err != nil {
		if bad, ok := errors.AsType[*tensors.Misfit](err); ok {
			err = &InputError{Field: fmt.Sprintf("input %q", bad.Name), Reason: bad.Part + " " + bad.Reason}
		}
		return nil, fmt.Errorf("model %q: %w", m.name, err)
	}
	if err := m.engine.gate.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("model %q: wait for a runner: %w", m.name, err)
	}
	defer m.engine.gate.Release(1)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, fmt.Errorf("model %q: %w", m.name, ErrClosed)
	}
	out, err := m.session.RunNamed(in)
	if err != nil {
		return nil, fmt.Errorf("model %q: %w", m.name, err)
	}
	return out, nil
}
