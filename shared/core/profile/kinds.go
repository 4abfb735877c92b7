package profile

import (
	"fmt"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// TaskKind is what the models of a task answer with.
type TaskKind string

// The kinds of task.
const (
	Classify TaskKind = "classify" // labels with their scores; the default
	Embed    TaskKind = "embed"    // a vector
	Tensors  TaskKind = "tensor"   // the model's own outputs by name
)

// InputKind is what a model is asked with.
type InputKind string

// The kinds of input.
const (
	Picture     InputKind = "picture" // PNG, JPEG, or the model's tensor of it
	TextIn      InputKind = "text"    // UTF-8
	TensorsIn   InputKind = "tensor"  // the model's own inputs by name
	FiguresOnly InputKind = ""        // only figures are known
)

// TextSpec is what models that take text are asked with, whatever their files take.
func TextSpec() tensors.Spec {
	return tensors.Spec{Name: "text", Datatype: tensors.Bytes, Shape: []int64{-1}}
}

// Signature is what a model takes and gives, by the names in its file; of a model
// that takes text, TextSpec instead of the inputs that text becomes. Outputs are described as answers have them: a sequence of maps is a table.
type Signature struct {
	Inputs  []tensors.Spec `json:"inputs"`
	Outputs []tensors.Spec `json:"outputs"`
	// Answer names the output that the task's kind reads: the scores of the
	// classes, or the vector. Empty for tensor tasks, which give all of them.
	Answer string `json:"answer,omitempty"`
}

// AnswerKind is the task's kind.
func (t Task) AnswerKind() TaskKind {
	if t.Kind == "" {
		return Classify
	}
	return t.Kind
}

// Takes is what kind of input a model wants.
func (m *Model) Takes() InputKind {
	switch {
	case m.File == "":
		return FiguresOnly
	case m.Input != nil:
		return Picture
	case m.Text != nil:
		return TextIn
	case m.Signature != nil:
		return TensorsIn
	}
	return FiguresOnly
}

// Runnable says whether a model can be run, and not only its figures are known.
func (m *Model) Runnable() bool { return m.Takes() != FiguresOnly }

// SignatureOf is what all runnable models of a task take and give together: -1
// where their sizes differ. It is false when one of them has no signature.
func (c *Catalogue) SignatureOf(task string) (Signature, bool) {
	var all *Signature
	for i := range c.Models {
		m := &c.Models[i]
		if m.Task != task || !m.Runnable() {
			continue
		}
		if m.Signature == nil {
			return Signature{}, false
		}
		if all == nil {
			all = &Signature{slices.Clone(m.Signature.Inputs), slices.Clone(m.Signature.Outputs), m.Signature.Answer}
			continue
		}
		var err error
		if all.Inputs, err = tensors.Common(all.Inputs, m.Signature.Inputs); err != nil {
			return Signature{}, false
		}
		if all.Outputs, err = tensors.Common(all.Outputs, m.Signature.Outputs); err != nil {
			return Signature{}, false
		}
	}
	if all == nil {
		return Signature{}, false
	}
	return *all, true
}

// validateTogether holds the models of each task to one kind of input, and those
// that take tensors to signatures which one request can fit.
func (c *Catalogue) validateTogether(f *faults) {
	first := map[string]*Model{}
	for i := range c.Models {
		m := &c.Models[i]
		if !m.Runnable() {
			continue
		}
		one, seen := first[m.Task]
		if !seen {
			first[m.Task] = m
			continue
		}
		what := "model " + m.Name
		if one.Takes() != m.Takes() {
			f.add(what, "input", fmt.Sprintf("is %s, and model %s of the same task takes %s", m.Takes(), one.Name, one.Takes()))
			continue
		}
		t, _ := c.Task(m.Task)
		if m.Takes() == TensorsIn || m.Takes() == TextIn && t.AnswerKind() != Classify {
			if _, err := tensors.Common(one.Signature.Inputs, m.Signature.Inputs); err != nil {
				f.add(what, "signature.inputs", fmt.Sprintf("do not fit those of model %s of the same task: %v", one.Name, err))
			}
			if _, err := tensors.Common(one.Signature.Outputs, m.Signature.Outputs); err != nil {
				f.add(what, "signature.outputs", fmt.Sprintf("do not fit those of model %s of the same task: %v", one.Name, err))
			}
		}
	}
}

// validateSignature holds a signature to what can be run, and to the task's kind.
func (c *Catalogue) validateSignature(what string, m *Model, f *faults) {
	s := m.Signature
	for _, side := range []struct {
		field string
		specs []tensors.Spec
	}{{"signature.inputs", s.Inputs}, {"signature.outputs", s.Outputs}} {
		names := map[string]bool{}
		for _, t := range side.specs {
			f.check(t.Name != "" && !names[t.Name], what, side.field, fmt.Sprintf("%q is empty or occurs twice", t.Name))
			f.check(t.Datatype.Known(), what, side.field, fmt.Sprintf("%q has datatype %q, which the Open Inference Protocol does not have", t.Name, t.Datatype))
			f.check(len(t.Shape) <= tensors.MaxRank && !slices.ContainsFunc(t.Shape, func(d int64) bool { return d < -1 }), what, side.field,
				fmt.Sprintf("%q has shape %v", t.Name, t.Shape))
			names[t.Name] = true
		}
	}
	f.check(len(s.Outputs) > 0, what, "signature.outputs", "are empty")
	if s.Answer != "" {
		named := slices.ContainsFunc(s.Outputs, func(t tensors.Spec) bool { return t.Name == s.Answer })
		f.check(named, what, "signature.answer", fmt.Sprintf("%q is not an output", s.Answer))
	}
	if t, ok := c.Task(m.Task); ok && t.AnswerKind() != Tensors {
		f.check(s.Answer != "", what, "signature.answer", fmt.Sprintf("must name the output that a task of kind %s reads", t.AnswerKind()))
	}
}
