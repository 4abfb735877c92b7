package modelcheck

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/preprocess"
)

// Once has a model of a catalogue answer one query in this process, as a worker does: a
// blank picture, a sample text, or inputs of zeros. An error says why it cannot.
func Once(ctx context.Context, c profile.CatalogueSource, files answer.Models, model string) error {
	m, ok := c.Current().Model(model)
	if !ok {
		return fmt.Errorf("there is no model %q", model)
	}
	in, err := Sample(m)
	if err != nil {
		return err
	}
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return err
	}
	defer e.Close()
	out, err := answer.New(e, c, files, answer.Memory{}).Answer(ctx, model, []query.Input{in})
	if err != nil {
		return err
	}
	return out[0].Err
}

// Sample is an input that every model of its kind can answer.
func Sample(m *profile.Model) (query.Input, error) {
	switch m.Takes() {
	case profile.TextIn:
		return query.Input{ContentType: query.TextType, Data: []byte(sampleText)}, nil
	case profile.TensorsIn:
		return query.Input{ContentType: tensors.ContentType, Data: tensors.Pack(answer.Blank(m.Signature.Inputs))}, nil
	}
	spec := preprocess.Spec(*m.Input)
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, image.NewRGBA(image.Rect(0, 0, spec.Width, spec.Height))); err != nil {
		return query.Input{}, fmt.Errorf("make a picture: %w", err)
	}
	return query.Input{ContentType: preprocess.PNG, Data: encoded.Bytes()}, nil
}
