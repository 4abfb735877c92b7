package answer

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

// Text makes a text the inputs of one model.
type Text struct {
	takes     []tensors.Spec
	tokens    *tokenizer.Tokenizer // nil of a model that takes the string itself
	maxTokens int
	padTo     int // the tokens of a model that takes no other number; 0 is any
}

// The inputs that a text is made for, by the names that exporters give them.
const (
	idsInput, maskInput, typesInput = "input_ids", "attention_mask", "token_type_ids"
)

// NewText finds out how a text becomes the model's inputs: one of strings takes it
// as it is, those of whole numbers take what the tokenizer that is attached to the
// file makes of it. The error says which input, or which part of the tokenizer,
// stands against it.
func NewText(takes []tensors.Spec, onnx []byte, spec profile.Text) (*Text, error) {
	file, err := tokenizer.Attached(onnx)
	if err != nil {
		return nil, err
	}
	t := &Text{takes: takes, maxTokens: spec.MaxTokens}
	if takesString(takes) {
		if file != nil || spec.MaxTokens > 0 {
			return nil, fmt.Errorf("input %q takes strings, so the model needs no tokenizer", takes[0].Name)
		}
		return t, nil
	}
	if file == nil {
		return nil, fmt.Errorf("the model takes %s, which a tokenizer computes from text: name the model's tokenizer.json", tensors.List(takes))
	}
	if t.tokens, err = tokenizer.Parse(file); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, t.fitPorts()
}

// takesString says whether a model's one input is strings.
func takesString(takes []tensors.Spec) bool {
	return len(takes) == 1 && takes[0].Datatype == tensors.Bytes && len(takes[0].Shape) <= 2
}

// fitPorts wants inputs of ids, and finds the number of tokens that they fix.
func (t *Text) fitPorts() error {
	ids := 0
	for _, p := range t.takes {
		if p.Datatype != tensors.Int64 && p.Datatype != tensors.Int32 || len(p.Shape) != 2 {
			return fmt.Errorf("input %q is %s %v, but token ids must be INT64 or INT32 [any, any]", p.Name, p.Datatype, p.Shape)
		}
		if p.Shape[0] > 1 {
			return fmt.Errorf("input %q takes %d texts at a time, but a query has one", p.Name, p.Shape[0])
		}
		if !slices.Contains([]string{maskInput, typesInput}, p.Name) {
			ids++
			if p.Name != idsInput && len(t.takes) > 1 {
				return fmt.Errorf("input %q is none of %s, %s, %s", p.Name, idsInput, maskInput, typesInput)
			}
		}
		if n := int(p.Shape[1]); n > 0 {
			if t.padTo != 0 && t.padTo != n {
				return fmt.Errorf("input %q takes %d tokens, but another input takes %d", p.Name, n, t.padTo)
			}
			t.padTo = n
		}
	}
	if ids != 1 {
		return fmt.Errorf("the model takes %s, but a model of text must have one input of token ids, %s", tensors.List(t.takes), idsInput)
	}
	if t.padTo > 0 && t.maxTokens > t.padTo {
		return fmt.Errorf("the model takes %d tokens, but max_tokens is %d", t.padTo, t.maxTokens)
	}
	if t.maxTokens == 0 {
		t.maxTokens = t.padTo
		if own := t.tokens.MaxTokens(); own > 0 && t.padTo > 0 {
			t.maxTokens = min(own, t.padTo)
		}
	}
	return nil
}

// Inputs are the model's inputs for a text.
func (t *Text) Inputs(text []byte) ([]tensors.Tensor, error) {
	if t.tokens == nil {
		p := t.takes[0]
		shape := slices.Repeat([]int64{1}, len(p.Shape))
		return []tensors.Tensor{{Name: p.Name, Datatype: tensors.Bytes, Shape: shape, Data: tensors.AppendString(nil, text)}}, nil
	}
	e, err := t.tokens.Encode(string(text), t.maxTokens, t.padTo)
	if err != nil {
		return nil, &engine.InputError{Field: "text", Reason: err.Error()}
	}
	out := make([]tensors.Tensor, len(t.takes))
	for i, p := range t.takes {
		values := e.IDs
		switch p.Name {
		case maskInput:
			values = e.Mask
		case typesInput:
			values = e.Types
		}
		out[i] = wholeNumbers(p, values)
	}
	return out, nil
}

// wholeNumbers is one row of a port's datatype.
func wholeNumbers(p tensors.Spec, values []int64) tensors.Tensor {
	t := tensors.Tensor{Name: p.Name, Datatype: p.Datatype, Shape: []int64{1, int64(len(values))}}
	for _, v := range values {
		if p.Datatype == tensors.Int32 {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, uint32(v))
			continue
		}
		t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(v))
	}
	return t
}
