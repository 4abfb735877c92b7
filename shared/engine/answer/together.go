package answer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
)

// ErrApart says that the inputs of several queries cannot be joined for one run, or its
// outputs cannot be cut into theirs.
var ErrApart = errors.New("these queries cannot share a run")

// RunTogether runs a model once on the inputs of several queries, and returns the outputs
// of each. text is nil unless the model takes text, whose tokens are then padded to the
// longest.
func RunTogether(ctx context.Context, m *engine.Model, text *Text, each [][]tensors.Tensor) ([][]tensors.Tensor, error) {
	if text != nil {
		each = text.padded(each)
	}
	joined, rows, ok := tensors.Stack(each)
	if !ok {
		return nil, fmt.Errorf("%w: their inputs have other shapes", ErrApart)
	}
	values, err := m.RunNamed(ctx, joined)
	if err != nil {
		return nil, err
	}
	outputs, ok := tensors.Split(outputsOf(values), rows)
	if !ok {
		return nil, fmt.Errorf("%w: an output does not have a row for each row of the inputs", ErrApart)
	}
	return outputs, nil
}

// outputsOf are the outputs of a run as tensors.
func outputsOf(values []engine.Value) []tensors.Tensor {
	out := make([]tensors.Tensor, len(values))
	for i, v := range values {
		out[i] = v.Tensor
	}
	return out
}

// padded pads the inputs of texts to the tokens of the longest; a model that takes one
// number of tokens has its inputs padded already.
func (t *Text) padded(each [][]tensors.Tensor) [][]tensors.Tensor {
	if t.tokens == nil || t.padTo > 0 {
		return each
	}
	longest := int64(0)
	for _, given := range each {
		longest = max(longest, given[0].Shape[1])
	}
	out := make([][]tensors.Tensor, len(each))
	for i, given := range each {
		for _, x := range given {
			pad := int64(0)
			if x.Name != maskInput && x.Name != typesInput {
				pad = t.tokens.PadID()
			}
			missing := longest - x.Shape[1]
			data := append(make([]byte, 0, int(longest)*x.Datatype.Size()), x.Data...)
			for range missing {
				if x.Datatype == tensors.Int32 {
					data = binary.LittleEndian.AppendUint32(data, uint32(pad))
					continue
				}
				data = binary.LittleEndian.AppendUint64(data, uint64(pad))
			}
			out[i] = append(out[i], tensors.Tensor{Name: x.Name, Datatype: x.Datatype, Shape: []int64{x.Shape[0], longest}, Data: data})
		}
	}
	return out
}

// groups are the places of the inputs that share a run: those of the same shapes, or all
// texts, of a model whose profile has batches. An input that is nil has no place.
func groups(p *profile.Model, given [][]tensors.Tensor) (out [][]int) {
	together := map[string]int{}
	for i, ts := range given {
		if ts == nil {
			continue
		}
		key := ""
		if p.Takes() != profile.TextIn {
			key = shapesOf(ts)
		}
		at, found := together[key]
		if !found || !p.Batches() {
			together[key] = len(out)
			out = append(out, []int{i})
			continue
		}
		out[at] = append(out[at], i)
	}
	return out
}

// shapesOf differs between inputs that cannot share a run.
func shapesOf(ts []tensors.Tensor) string {
	var b strings.Builder
	for _, t := range ts {
		fmt.Fprintf(&b, "%q %s %v;", t.Name, t.Datatype, t.Shape)
	}
	return b.String()
}
