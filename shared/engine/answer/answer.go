// Package answer turns inputs into answers: it loads a catalogue's models into
// the engine, brings an input into a model's shape, infers and names the best
// class. Workers and inference functions share it.
package answer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"paragon/shared/core/profile"
	"paragon/shared/core/query"
	"paragon/shared/engine"
	"paragon/shared/engine/preprocess"
)

// Models gives the bytes of a model's ONNX file.
type Models interface {
	ONNX(name string) ([]byte, error)
}

// Fault is why an input got no answer.
type Fault struct {
	// Code is query.BadInput, which no other try mends, or query.ModelFault.
	Code query.FailureCode
	Err  error
}

func (f *Fault) Error() string { return string(f.Code) + ": " + f.Err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Failure turns an error into a query's failure: a Fault's own code and cause,
// else a model fault.
func Failure(err error) query.Failure {
	if f, ok := errors.AsType[*Fault](err); ok {
		return query.Failure{Code: f.Code, Detail: f.Err.Error()}
	}
	return query.Failure{Code: query.ModelFault, Detail: err.Error()}
}

// Answered is what became of one input: a result with the scores of every
// class, or an error (a *Fault).
type Answered struct {
	Result query.Result
	Err    error
}

// Answerer answers with the models of a catalogue. Its methods may be called
// from many goroutines.
type Answerer struct {
	engine    *engine.Engine
	catalogue profile.CatalogueSource
	models    Models
	limits    preprocess.Limits

	mu     sync.Mutex
	loaded map[build]*engine.Model
}

// build is one build of a model: another file under the same name is another.
type build struct{ name, sha256 string }

// New returns an Answerer that loads its models when they are first asked for.
func New(e *engine.Engine, c profile.CatalogueSource, models Models, limits preprocess.Limits) *Answerer {
	return &Answerer{engine: e, catalogue: c, models: models, limits: limits, loaded: map[build]*engine.Model{}}
}

// Warm loads models and runs each once, as a first inference takes up to twice
// the time of the later ones.
func (a *Answerer) Warm(ctx context.Context, names ...string) error {
	for _, name := range names {
		p, m, err := a.model(ctx, name)
		if err != nil {
			return fmt.Errorf("warm model %s: %w", name, err)
		}
		if !a.plain(p, m) {
			warmNamed(ctx, p, m)
			continue
		}
		if _, err := m.Run(ctx, blank(p.Input)); err != nil {
			return fmt.Errorf("warm model %s: %w", name, err)
		}
	}
	return nil
}

// blank is an input of zeros.
func blank(in *profile.Input) engine.Tensor {
	h, w, c := int64(in.Height), int64(in.Width), int64(in.Channels)
	shape := []int64{1, c, h, w}
	if in.Layout == preprocess.NHWC {
		shape = []int64{1, h, w, c}
	}
	return engine.Tensor{Shape: shape, Data: make([]float32, h*w*c)}
}

// model returns a model of the catalogue, loaded.
func (a *Answerer) model(ctx context.Context, name string) (*profile.Model, *engine.Model, error) {
	p, ok := a.catalogue.Current().Model(name)
	if !ok { // it may have been added this moment
		if err := profile.Refresh(a.catalogue); err != nil {
			return nil, nil, fmt.Errorf("model %q is not known, and the catalogue cannot be read anew: %w", name, err)
		}
		p, ok = a.catalogue.Current().Model(name)
	}
	if !ok || !p.Runnable() {
		return nil, nil, fmt.Errorf("model %q is not one that catalogue %s can run", name, a.catalogue.Current().Name)
	}
	a.mu.Lock()
	m, ok := a.loaded[build{name, p.SHA256}]
	a.mu.Unlock()
	if ok {
		return p, m, nil
	}
	m, err := a.load(ctx, p)
	return p, m, err
}

// load gets a model's file, checks that it is the one that the profile is of
// and hands it to the engine, which loads it once whoever asks.
func (a *Answerer) load(ctx context.Context, p *profile.Model) (*engine.Model, error) {
	onnx, err := a.models.ONNX(p.Name)
	if err != nil {
		return nil, fmt.Errorf("get model %s: %w", p.Name, err)
	}
	if sum := sha256.Sum256(onnx); hex.EncodeToString(sum[:]) != p.SHA256 {
		return nil, fmt.Errorf("model %s: its file has digest %x, the profile is of %s", p.Name, sum, p.SHA256)
	}
	m, err := a.engine.Load(ctx, p.Name, onnx)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.loaded[build{p.Name, p.SHA256}] = m
	a.mu.Unlock()
	return m, nil
}

// Unload closes the models that the catalogue does not have any more, once their
// runs have ended.
func (a *Answerer) Unload() {
	c := a.catalogue.Current()
	var old []*engine.Model
	a.mu.Lock()
	for b, m := range a.loaded {
		if p, ok := c.Model(b.name); !ok || p.SHA256 != b.sha256 {
			old = append(old, m)
			delete(a.loaded, b)
		}
	}
	a.mu.Unlock()
	for _, m := range old {
		m.Close()
	}
}

// Answer answers inputs with one model, as one batch, and returns as many
// answers in their order. An input that cannot be decoded fails alone; the
// error is a *Fault of the model, and then no input has an answer.
func (a *Answerer) Answer(ctx context.Context, model string, in []query.Input) ([]Answered, error) {
	p, m, err := a.model(ctx, model)
	if err != nil {
		return nil, &Fault{query.ModelFault, err}
	}
	if !a.plain(p, m) {
		return a.answerNamed(ctx, p, m, in), nil
	}
	out := make([]Answered, len(in))
	tensors, from := a.decode(p, in, out)
	if len(tensors) == 0 {
		return out, nil
	}
	scores, err := m.Run(ctx, stack(tensors))
	if err != nil {
		return nil, &Fault{query.ModelFault, err}
	}
	each := len(scores.Data) / len(tensors)
	labels := a.catalogue.Current().LabelsOf(p)
	if each != len(labels) || len(scores.Data)%len(tensors) != 0 {
		err := fmt.Errorf("model %s gave %d scores for %d inputs of %d labels", model, len(scores.Data), len(tensors), len(labels))
		return nil, &Fault{query.ModelFault, err}
	}
	for i, at := range from {
		out[at] = read(model, scores.Data[i*each:(i+1)*each], labels)
	}
	return out, nil
}

// decode brings the inputs into the model's shape. It returns the tensors with
// the place of each input, and writes the faults of those without one.
func (a *Answerer) decode(p *profile.Model, in []query.Input, out []Answered) (tensors []engine.Tensor, from []int) {
	for i, input := range in {
		t, err := preprocess.Decode(input.ContentType, input.Data, preprocess.Spec(*p.Input), a.limits)
		if err == nil {
			tensors, from = append(tensors, t), append(from, i)
			continue
		}
		code := query.ModelFault // the spec's mistake
		if _, ok := errors.AsType[*preprocess.InputError](err); ok {
			code = query.BadInput
		}
		out[i].Err = &Fault{code, err}
	}
	return tensors, from
}

// stack makes one batch of tensors of one shape.
func stack(ts []engine.Tensor) engine.Tensor {
	if len(ts) == 1 {
		return ts[0]
	}
	out := engine.Tensor{Shape: slices.Clone(ts[0].Shape)}
	out.Shape[0] *= int64(len(ts))
	for _, t := range ts {
		out.Data = append(out.Data, t.Data...)
	}
	return out
}

// read makes the answer of a model's scores. A score that is not a number is a
// fault of the model's.
func read(model string, scores []float32, labels []string) Answered {
	for i, s := range scores {
		if f := float64(s); math.IsNaN(f) || math.IsInf(f, 0) {
			return Answered{Err: &Fault{query.ModelFault, fmt.Errorf("model %s: score %d is %v", model, i, s)}}
		}
	}
	return Answered{Result: query.NewResult(slices.Clone(scores), labels)}
}
