package answer

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
)

// plain says whether a model classifies pictures by one tensor of numbers and its
// first output.
func (a *Answerer) plain(p *profile.Model, m *engine.Model) bool {
	if p.Takes() != profile.Picture || !m.Single() {
		return false
	}
	return a.kind(p) == profile.Classify && (p.Signature == nil || p.Signature.Answer == m.OutputName())
}

func (a *Answerer) kind(p *profile.Model) profile.TaskKind {
	t, _ := a.catalogue.Current().Task(p.Task)
	return t.AnswerKind()
}

// answerNamed answers inputs that can share a run by one, and each other by its own.
func (a *Answerer) answerNamed(ctx context.Context, p *profile.Model, h *loadedModel, in []query.Input) []Answered {
	out := make([]Answered, len(in))
	given := make([][]tensors.Tensor, len(in))
	for i, input := range in {
		var err error
		if given[i], err = a.inputs(p, h, input); err != nil {
			given[i], out[i].Err = nil, fault(err)
		}
	}
	for _, places := range groups(p, given) {
		if len(places) > 1 && a.answerTogether(ctx, p, h, given, places, out) {
			continue
		}
		for _, i := range places {
			var err error
			if out[i].Result, err = a.runNamed(ctx, p, h.model, given[i]); err != nil {
				out[i].Err = fault(err)
			}
		}
	}
	return out
}

// answerTogether answers some of the inputs by one run. It is false if that fails, by
// whichever input, and has then answered none.
func (a *Answerer) answerTogether(ctx context.Context, p *profile.Model, h *loadedModel, given [][]tensors.Tensor, places []int, out []Answered) bool {
	each := make([][]tensors.Tensor, len(places))
	for n, i := range places {
		each[n] = given[i]
	}
	outputs, err := RunTogether(ctx, h.model, h.text, each)
	if err != nil {
		return false
	}
	for n, i := range places {
		if out[i].Result, err = a.readNamed(p, outputs[n]); err != nil {
			out[i].Err = fault(err)
		}
	}
	return true
}

// fault is whose mistake an error is.
func fault(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	_, bad := errors.AsType[*engine.InputError](err)
	if bad {
		return &Fault{query.BadInput, err}
	}
	return &Fault{query.ModelFault, err}
}

// inputs are a query's as the model takes them.
func (a *Answerer) inputs(p *profile.Model, h *loadedModel, in query.Input) ([]tensors.Tensor, error) {
	switch p.Takes() {
	case profile.TextIn:
		return h.text.Inputs(in.Data)
	case profile.TensorsIn:
		given, err := tensors.Unpack(in.Data)
		if err != nil {
			return nil, &Fault{query.BadInput, err}
		}
		return given, nil
	}
	t, err := a.decodeOne(p, in)
	if err != nil {
		return nil, err
	}
	x, err := tensors.Convert(tensors.FromFloats(h.model.InputName(), t.Shape, t.Data), h.model.Inputs()[0].Datatype)
	return []tensors.Tensor{x}, err
}

// runNamed runs a model and reads the answer by its task's kind. A run of given
// tensors, or of a text, that fails, fails on the same always: no other try mends it.
func (a *Answerer) runNamed(ctx context.Context, p *profile.Model, m *engine.Model, given []tensors.Tensor) (query.Result, error) {
	values, err := m.RunNamed(ctx, given)
	if err != nil && ctx.Err() == nil && !errors.Is(err, engine.ErrClosed) && p.Takes() != profile.Picture {
		return query.Result{}, &Fault{query.BadInput, fmt.Errorf("the model cannot run on these inputs: %w", err)}
	}
	if err != nil {
		return query.Result{}, err
	}
	return a.readNamed(p, outputsOf(values))
}

// readNamed reads the answer to one query from its outputs.
func (a *Answerer) readNamed(p *profile.Model, outputs []tensors.Tensor) (query.Result, error) {
	switch a.kind(p) {
	case profile.Classify:
		return a.classes(p, outputs)
	case profile.Embed:
		return vector(p, outputs)
	}
	return query.NewTensorResult(outputs), nil
}

// rows reads an output as rows of numbers: [n, width], or one row [width].
func rows(p *profile.Model, outputs []tensors.Tensor) ([][]float32, error) {
	t, ok := tensors.Find(outputs, p.Signature.Answer)
	if !ok {
		return nil, fmt.Errorf("model %s gave no output %q", p.Name, p.Signature.Answer)
	}
	values, ok := t.Floats()
	if !ok || len(t.Shape) < 1 || len(t.Shape) > 2 {
		return nil, fmt.Errorf("model %s: output %q is %s of shape %v, not rows of numbers", p.Name, t.Name, t.Datatype, t.Shape)
	}
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, &Fault{query.BadInput, fmt.Errorf("model %s has no finite answer for this input: output %q: element %d is %v", p.Name, t.Name, i, v)}
		}
	}
	width := int(t.Shape[len(t.Shape)-1])
	if width == 0 || len(values) == 0 {
		return nil, &Fault{query.BadInput, errors.New("the request has no rows: its tensors are empty")}
	}
	var out [][]float32
	for ; len(values) > 0; values = values[width:] {
		out = append(out, values[:width:width])
	}
	return out, nil
}

// classes are the labels and scores of each row of the input.
func (a *Answerer) classes(p *profile.Model, outputs []tensors.Tensor) (query.Result, error) {
	scores, err := rows(p, outputs)
	if err != nil {
		return query.Result{}, err
	}
	labels := a.catalogue.Current().LabelsOf(p)
	if len(scores[0]) != len(labels) {
		return query.Result{}, fmt.Errorf("model %s gave %d scores for %d labels", p.Name, len(scores[0]), len(labels))
	}
	if p.Takes() != profile.TensorsIn {
		if len(scores) != 1 {
			return query.Result{}, fmt.Errorf("model %s gave %d rows of scores for one input", p.Name, len(scores))
		}
		return query.NewResult(scores[0], labels), nil
	}
	r := query.NewRowsResult(scores, labels)
	r.Outputs = outputs
	return r, nil
}

// vector is the embedding, of an input of one row; of more, the outputs alone
// have them.
func vector(p *profile.Model, outputs []tensors.Tensor) (query.Result, error) {
	vectors, err := rows(p, outputs)
	if err != nil {
		return query.Result{}, err
	}
	r := query.Result{Outputs: outputs}
	if len(vectors) == 1 {
		r.Embedding = vectors[0]
	}
	return r, nil
}

// warmNamed runs a model once, on the sample in its file or on zeros. What comes of it
// is of no matter: some models run on no input of one element a dimension.
func warmNamed(ctx context.Context, p *profile.Model, h *loadedModel, m *engine.Model, onnx []byte) {
	given, err := metadata.Sample(onnx)
	if err != nil {
		return
	}
	if given == nil {
		given = Blank(m.Takes())
	}
	if h.text != nil {
		if given, err = h.text.Inputs([]byte("warm")); err != nil {
			return
		}
	}
	if p.Takes() == profile.Picture {
		zeros := blank(p.Input)
		x, err := tensors.Convert(tensors.FromFloats(m.InputName(), zeros.Shape, zeros.Data), m.Inputs()[0].Datatype)
		if err != nil {
			return
		}
		given = []tensors.Tensor{x}
	}
	_, _ = m.RunNamed(ctx, given)
}

// Blank are inputs of zeros and empty strings, one element long where the model
// leaves a size open.
func Blank(specs []tensors.Spec) []tensors.Tensor {
	var out []tensors.Tensor
	for _, s := range specs {
		t := tensors.Tensor{Name: s.Name, Datatype: s.Datatype}
		n := int64(1)
		for _, d := range s.Shape {
			if d < 0 {
				d = 1
			}
			t.Shape, n = append(t.Shape, d), n*d
		}
		size := s.Datatype.Size()
		if s.Datatype == tensors.Bytes {
			size = 4 // the length of an empty string
		}
		t.Data = make([]byte, int(n)*size)
		out = append(out, t)
	}
	return out
}
