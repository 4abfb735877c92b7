package modelcheck

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/metadata"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/priority"
)

// Ran is how a model's run in a process of its own went.
type Ran struct {
	Why string `json:"why,omitempty"` // it gave no answer; empty when it did
	// MS is the CPU time of an answer on one thread, in milliseconds, and Samples how many
	// answers were timed; 0 where none was to be.
	MS      profile.Percentiles `json:"ms,omitzero"`
	Samples int                 `json:"samples,omitempty"`
	// Batches are the times of the batches that the model was measured in when it was added.
	Batches []profile.BatchTime `json:"batches,omitempty"`
}

// runTimes is how long a model is timed by a worker, which serves meanwhile: for less time
// than in a check, and by a clock that does not run while queries have the processor.
var runTimes = timing{warm: 2, least: 20, most: 200, usual: 500 * time.Millisecond, longest: 20 * time.Second, clock: measure.ThreadCPU}

// Once has a model of a catalogue answer in this process, as a worker does: a blank
// picture, a sample text, or the sample in its file, else inputs of zeros. It answers once, and where timed says so of
// its name, as often as its service time needs; nil times none. An error says why it cannot.
func Once(ctx context.Context, c profile.CatalogueSource, files answer.Models, model string, timed func(model string) bool) (r Ran, err error) {
	m, ok := c.Current().Model(model)
	if !ok {
		return r, fmt.Errorf("the catalogue has no model %q", model)
	}
	in, err := SampleOf(m, func() ([]byte, error) { return files.ONNX(model) })
	if err != nil {
		return r, err
	}
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return r, err
	}
	defer e.Close()
	a := answer.New(e, c, files, answer.Memory{})
	answers := func(n int) func(context.Context) error {
		return func(ctx context.Context) error {
			out, err := a.Answer(ctx, model, slices.Repeat([]query.Input{in}, n))
			if err != nil {
				return err
			}
			return out[0].Err
		}
	}
	if err := answers(1)(ctx); err != nil || timed == nil || !timed(model) {
		return r, err
	}
	priority.Background(func() { err = r.measure(ctx, m, answers) })
	return r, err
}

// measure times a model alone and in the batches of its profile. answers returns the function
// that answers n queries.
func (r *Ran) measure(ctx context.Context, m *profile.Model, answers func(n int) func(context.Context) error) error {
	times, err := runTimes.of(ctx, answers(1))
	if err != nil {
		return err
	}
	r.MS, r.Samples = measure.Percentiles(times), len(times)
	r.Batches, err = timedBatches(r.MS, m.BatchSizes(), func(n int) ([]float64, error) {
		return batchTimes.ratios(ctx, answers(1), answers(n))
	})
	return err
}

// SampleOf is an input that a model can answer: of one that takes tensors the sample in its
// file, which is read for that.
func SampleOf(m *profile.Model, file func() ([]byte, error)) (query.Input, error) {
	if m.Takes() != profile.TensorsIn {
		return Sample(m.Takes(), m.Input, m.Signature)
	}
	onnx, err := file()
	if err != nil {
		return query.Input{}, err
	}
	given, err := metadata.Sample(onnx)
	if err != nil || given == nil {
		return Sample(m.Takes(), m.Input, m.Signature)
	}
	return query.Input{ContentType: tensors.ContentType, Data: tensors.Pack(given)}, nil
}

// Sample is an input that most models of a kind can answer: a sample text, inputs of zeros,
// or a blank picture.
func Sample(takes profile.InputKind, in *profile.Input, s *profile.Signature) (query.Input, error) {
	switch takes {
	case profile.TextIn:
		return query.Input{ContentType: query.TextType, Data: []byte(sampleText)}, nil
	case profile.TensorsIn:
		return query.Input{ContentType: tensors.ContentType, Data: tensors.Pack(answer.Blank(s.Inputs))}, nil
	}
	spec := preprocess.Spec(*in)
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, image.NewRGBA(image.Rect(0, 0, spec.Width, spec.Height))); err != nil {
		return query.Input{}, fmt.Errorf("generate a sample picture: %w", err)
	}
	return query.Input{ContentType: preprocess.PNG, Data: encoded.Bytes()}, nil
}
