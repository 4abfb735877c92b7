// Package conformance runs the test cases of PyPI's onnx package through Paragon: each
// model is checked as one that is added is, and each of its inputs is answered by a
// tensor task as a worker answers it. cases.py writes the cases, with what Python's ONNX
// Runtime makes of them.
package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
	"github.com/paragon-serving/paragon/shared/modelcheck"
)

// Case is one line of cases.py.
type Case struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Model  string  `json:"model"` // the path of its file
	RTol   float64 `json:"rtol"`
	ATol   float64 `json:"atol"`
	Python string  `json:"python"` // why Python's ONNX Runtime does not pass it; empty when it does
	Sets   []Set   `json:"sets"`
}

// Set are inputs with the outputs that are expected of them.
type Set struct {
	Inputs  []Value `json:"inputs"`
	Outputs []Value `json:"outputs"`
}

// Value is a tensor, or what is none.
type Value struct {
	Name     string           `json:"name"`
	Datatype tensors.Datatype `json:"datatype"`
	Shape    []int64          `json:"shape"`
	Data     []byte           `json:"data"`
	Other    string           `json:"other"` // what it is instead of a tensor
}

// Outcome is what became of a case. The case passed when Why is empty.
type Outcome struct {
	Case *Case  `json:"-"`
	Name string `json:"name"`
	Why  string `json:"why,omitempty"`
}

// mostLine bounds one case, in bytes.
const mostLine = 1 << 30

// Read reads the cases that cases.py wrote.
func Read(r io.Reader) ([]Case, error) {
	var out []Case
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1<<20), mostLine)
	for lines.Scan() {
		var c Case
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("case %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	return out, lines.Err()
}

// Run runs the cases and calls step after each. The error is of this machine: that a
// case does not pass is its outcome.
func Run(ctx context.Context, cases []Case, step func(name string)) ([]Outcome, error) {
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return nil, err
	}
	var out []Outcome
	for i := range cases {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, e.Close())
		}
		c, o := &cases[i], Outcome{Case: &cases[i], Name: cases[i].Name}
		if err := runCase(ctx, e, c); err != nil {
			o.Why = err.Error()
		}
		out = append(out, o)
		step(c.Name)
	}
	return out, e.Close()
}

// runCase checks the case's model and answers its inputs. The error says why the case
// does not pass.
func runCase(ctx context.Context, e *engine.Engine, c *Case) error {
	onnx, err := os.ReadFile(c.Model)
	if err != nil {
		return err
	}
	for i, set := range c.Sets {
		inputs, err := given(set.Inputs)
		if err != nil {
			return err
		}
		if onnx, err = metadata.PutSample(onnx, inputs); err != nil {
			return err
		}
		report, err := modelcheck.Run(ctx, onnx, modelcheck.Request{Kind: profile.Tensors, Input: profile.TensorsIn, Once: true})
		if err == nil && report.Problem != nil {
			err = report.Problem
		}
		if err != nil {
			return err
		}
		if err := answerSet(ctx, e, onnx, report, tensors.Pack(inputs), c, set); err != nil {
			return fmt.Errorf("data set %d: %w", i, err)
		}
	}
	return nil
}

// answerSet answers packed inputs and compares.
func answerSet(ctx context.Context, e *engine.Engine, onnx []byte, report modelcheck.Report, packed []byte, c *Case, set Set) error {
	a := modelcheck.Answerer(e, onnx, report)
	answers, err := a.Answer(ctx, modelcheck.Tested, []query.Input{{ContentType: tensors.ContentType, Data: packed}})
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		return err
	}
	if m, err := e.Load(ctx, modelcheck.Tested, onnx, 1); err == nil {
		defer m.Close()
	}
	got := answers[0].Result.Outputs
	for _, want := range set.Outputs {
		at := slices.IndexFunc(got, func(t tensors.Tensor) bool { return t.Name == want.Name })
		if at < 0 {
			return fmt.Errorf("there is no output %q", want.Name)
		}
		if err := compare(got[at], want, c.RTol, c.ATol); err != nil {
			return fmt.Errorf("output %q: %w", want.Name, err)
		}
	}
	return nil
}

// given are the inputs as a request gives them.
func given(values []Value) (out []tensors.Tensor, err error) {
	for _, v := range values {
		if v.Other != "" {
			return nil, fmt.Errorf("input %q is of the kind %q, and requests can contain only tensors", v.Name, v.Other)
		}
		out = append(out, tensors.Tensor{Name: v.Name, Datatype: v.Datatype, Shape: v.Shape, Data: v.Data})
	}
	return out, nil
}
