// Package answer turns inputs into answers: it loads a catalogue's models into
// the engine, brings an input into a model's shape, infers and names the best
// class. Workers and inference functions share it.
package answer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
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
		return query.Failure{Code: f.Code, Detail: query.WithoutFolders(f.Err.Error())}
	}
	return query.Failure{Code: query.ModelFault, Detail: query.WithoutFolders(err.Error())}
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
	files     Models
	memory    Memory
	large     Decode
	threads   func(*profile.Model) int

	mu       sync.Mutex // guards what follows
	freed    sync.Cond  // something may be unloaded, or was
	models   map[build]*loadedModel
	uses     int64
	bytes    int64 // that the models are counted to take
	loads    int
	loadsMS  float64
	failedAt map[build]time.Time
}

// New returns an Answerer that loads its models when they are first asked for,
// within a bound of memory.
func New(e *engine.Engine, c profile.CatalogueSource, files Models, memory Memory) *Answerer {
	a := &Answerer{engine: e, catalogue: c, files: files, memory: memory,
		models: map[build]*loadedModel{}, failedAt: map[build]time.Time{}}
	a.freed.L = &a.mu
	return a
}

// Decode is preprocess.Decode, or does the same elsewhere.
type Decode func(contentType string, data []byte, s preprocess.Spec, lim preprocess.Limits) (engine.Tensor, error)

// DecodeLarge has another decode the pictures that take long. It must be called before
// the first answer; without it they are decoded as all others are.
func (a *Answerer) DecodeLarge(d Decode) { a.large = d }

// RunThreads sets on how many threads one run of a model goes. It must be called before
// the first answer; without it all have one.
func (a *Answerer) RunThreads(of func(*profile.Model) int) { a.threads = of }

// threadsOf is on how many threads a run of a model goes; 0 stands for one.
func (a *Answerer) threadsOf(m *profile.Model) int {
	if a.threads == nil {
		return 0
	}
	return a.threads(m)
}

// Warm loads models.
func (a *Answerer) Warm(ctx context.Context, names ...string) error {
	for _, name := range names {
		_, h, err := a.acquire(ctx, name)
		if err != nil {
			return fmt.Errorf("warm model %s: %w", name, err)
		}
		a.release(h)
	}
	return nil
}

// blank is an input of zeros.
func blank(in *profile.Input) engine.Tensor {
	h, w, c := int64(in.Height), int64(in.Width), int64(in.Channels)
	shape := []int64{1, c, h, w}
	if in.Layout == profile.NHWC {
		shape = []int64{1, h, w, c}
	}
	return engine.Tensor{Shape: shape, Data: make([]float32, h*w*c)}
}

// Answer answers inputs with one model, as one batch, and returns as many
// answers in their order. An input that cannot be decoded fails alone; the
// error is a *Fault of the model, and then no input has an answer.
func (a *Answerer) Answer(ctx context.Context, model string, in []query.Input) ([]Answered, error) {
	p, h, err := a.acquire(ctx, model)
	if err != nil {
		return nil, &Fault{query.ModelFault, err}
	}
	defer a.release(h)
	if !a.plain(p, h.model) {
		return a.answerNamed(ctx, p, h, in), nil
	}
	out := make([]Answered, len(in))
	tensors, from := a.decode(p, in, out)
	if len(tensors) == 0 {
		return out, nil
	}
	scores, err := h.model.Run(ctx, stack(tensors))
	for i, at := range from {
		preprocess.Free(in[at].ContentType, tensors[i])
	}
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
		t, err := a.decodeOne(p, input)
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

// decodeOne brings a picture into the model's shape. Intake held it to max_pixels and
// said how many it has, so that the limit in force then holds wherever it is decoded;
// of a picture of about the model's size it says nothing.
func (a *Answerer) decodeOne(p *profile.Model, in query.Input) (engine.Tensor, error) {
	spec := preprocess.Spec(*p.Input)
	limits := preprocess.Limits{MaxPixels: max(in.Decoding.Pixels, spec.DefaultMaxPixels()), MaxBytes: max(len(in.Data), 1)}
	if a.large != nil && in.Decoding.Large() {
		return a.large(in.ContentType, in.Data, spec, limits)
	}
	return preprocess.Decode(in.ContentType, in.Data, spec, limits)
}

// stack makes one batch of tensors of one shape.
func stack(ts []engine.Tensor) engine.Tensor {
	if len(ts) == 1 {
		return ts[0]
	}
	out := engine.Tensor{Shape: slices.Clone(ts[0].Shape), Finite: true}
	out.Shape[0] *= int64(len(ts))
	for _, t := range ts {
		out.Data = append(out.Data, t.Data...)
		out.Finite = out.Finite && t.Finite
	}
	return out
}

// read makes the answer of a model's scores. Where one is not a number, this input has
// no answer, and no other run gives one: the input is what it takes.
func read(model string, scores []float32, labels []string) Answered {
	for i, s := range scores {
		if f := float64(s); math.IsNaN(f) || math.IsInf(f, 0) {
			return Answered{Err: &Fault{query.BadInput, fmt.Errorf("model %s has no finite scores for this input: score %d is %v", model, i, s)}}
		}
	}
	return Answered{Result: query.NewResult(slices.Clone(scores), labels)}
}
