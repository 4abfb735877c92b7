package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
)

// ErrNotBatched says that the queries of a model cannot share a run.
var ErrNotBatched = errors.New("its queries cannot share a run")

// tolerance is by how much an answer may differ in a batch, relative to the largest number
// of the output: a library adds in another order there. Half-precision numbers have three digits.
const tolerance, halfTolerance = 1e-4, 1e-2

// dynamic begins the names of ONNX's operators that quantize by the range of all numbers in a
// run. How much that changes an answer depends on the other queries, and may not show in a few.
var dynamic = []byte("DynamicQuantize")

// Agree has the model of a file run on the inputs of some queries, each alone and all
// together. An ErrNotBatched says why their answers are not the same.
func Agree(ctx context.Context, onnx []byte, m *engine.Model, text *answer.Text, each [][]tensors.Tensor) error {
	if bytes.Contains(onnx, dynamic) {
		return fmt.Errorf("%w: the model quantizes by the range of all queries in a run", ErrNotBatched)
	}
	for _, p := range m.Inputs() {
		if len(p.Shape) == 0 || p.Shape[0] >= 0 {
			return fmt.Errorf("%w: the first dimension of input %q is fixed", ErrNotBatched, p.Name)
		}
	}
	together, err := answer.RunTogether(ctx, m, text, each)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotBatched, err)
	}
	for i, given := range each {
		alone, err := m.RunNamed(ctx, given)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotBatched, err)
		}
		for n, want := range alone {
			if !sameOutput(together[i][n], want.Tensor) {
				return fmt.Errorf("%w: output %q of a query changes with the other queries of the run", ErrNotBatched, want.Name)
			}
		}
	}
	return nil
}

// sameOutput says whether two outputs are the same, up to the rounding of floating-point numbers.
func sameOutput(got, want tensors.Tensor) bool {
	if got.Datatype != want.Datatype || !slices.Equal(got.Shape, want.Shape) {
		return false
	}
	a, ok := got.Floats()
	if !ok {
		return slices.Equal(got.Data, want.Data)
	}
	b, _ := want.Floats()
	largest := 0.0
	for _, x := range b {
		if f := math.Abs(float64(x)); !math.IsInf(f, 0) && !math.IsNaN(f) {
			largest = max(largest, f)
		}
	}
	off := tolerance * largest
	if want.Datatype == tensors.FP16 || want.Datatype == tensors.BF16 {
		off = halfTolerance * largest
	}
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		if x != y && !(math.IsNaN(x) && math.IsNaN(y)) && !(math.Abs(x-y) <= off) {
			return false
		}
	}
	return true
}

// Different are the inputs of n queries that differ, made of samples by their numbers: of the
// words of a text if the model takes text, and else of inputs.
func Different(n int, text *answer.Text, words func(i int) string, inputs func(i int) ([]tensors.Tensor, error)) (each [][]tensors.Tensor, err error) {
	for i := range n {
		var given []tensors.Tensor
		if text != nil {
			given, err = text.Inputs([]byte(Text(words(i), i)))
		} else if given, err = inputs(i); err == nil {
			given = Vary(given, i)
		}
		if err != nil {
			return nil, err
		}
		each = append(each, given)
	}
	return each, nil
}

// Vary returns the inputs of another query like a sample, by its number: floating-point
// numbers move by less than 1, pixels by less than 64, and whole numbers and strings trade
// places, or move by 1 where all are the same.
func Vary(sample []tensors.Tensor, number int) []tensors.Tensor {
	random := rand.New(rand.NewPCG(uint64(number), 0))
	out := make([]tensors.Tensor, len(sample))
	for i, t := range sample {
		out[i] = t
		if number > 0 {
			out[i].Data = varied(t, number, random)
		}
	}
	return out
}

func varied(t tensors.Tensor, number int, random *rand.Rand) []byte {
	switch t.Datatype {
	case tensors.FP16, tensors.BF16, tensors.FP32, tensors.FP64:
		values, _ := t.Floats()
		for i := range values {
			values[i] += random.Float32()
		}
		if moved, err := tensors.Convert(tensors.FromFloats(t.Name, t.Shape, values), t.Datatype); err == nil {
			return moved.Data
		}
		return t.Data
	case tensors.Uint8:
		out := slices.Clone(t.Data)
		for i := range out {
			out[i] += byte(random.IntN(64))
		}
		return out
	case tensors.Bool:
		out := slices.Clone(t.Data)
		for i := range out {
			out[i] = byte(random.IntN(2))
		}
		return out
	case tensors.Bytes:
		return variedStrings(t, number)
	}
	return variedIntegers(t, number, random)
}

// variedStrings has the strings trade places, or be a word where all are the same.
func variedStrings(t tensors.Tensor, number int) (out []byte) {
	all, err := t.Strings()
	if err != nil || len(all) == 0 {
		return t.Data
	}
	same := !slices.ContainsFunc(all, func(s []byte) bool { return !slices.Equal(s, all[0]) })
	for i := range all {
		if same {
			out = tensors.AppendString(out, Text(string(all[i])+" a sample of words", number))
			continue
		}
		out = tensors.AppendString(out, all[(i+number)%len(all)])
	}
	return out
}

// variedIntegers has whole numbers trade places, or move by 0 or 1 where all are the same.
func variedIntegers(t tensors.Tensor, number int, random *rand.Rand) []byte {
	size := t.Datatype.Size()
	all := slices.Collect(slices.Chunk(t.Data, size))
	if len(all) == 0 {
		return t.Data
	}
	if slices.ContainsFunc(all, func(n []byte) bool { return !slices.Equal(n, all[0]) }) {
		cut := number % len(all) * size
		return slices.Concat(t.Data[cut:], t.Data[:cut])
	}
	out := slices.Clone(t.Data)
	for i := 0; i < len(out); i += size {
		if out[i] < 0xff {
			out[i] += byte(random.IntN(2))
		}
	}
	return out
}

// Text returns another text of the words of a sample, by its number: it begins with another
// word, and most have fewer words.
func Text(sample string, number int) string {
	words := strings.Fields(sample)
	if number == 0 || len(words) == 0 {
		return sample
	}
	from := number % len(words)
	words = slices.Concat(words[from:], words[:from])
	return strings.Join(words[:max(1, len(words)/(1+number%4))], " ")
}
