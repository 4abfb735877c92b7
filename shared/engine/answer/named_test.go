package answer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// own is a catalogue with one model of a task of a kind, and the way to its file.
func own(onnx []byte, kind profile.TaskKind, labels []string, sig profile.Signature) (*profile.Catalogue, models) {
	sum := sha256.Sum256(onnx)
	c := &profile.Catalogue{
		Tasks:  []profile.Task{{Name: "own", Kind: kind, Labels: labels}},
		Models: []profile.Model{{Name: "m", Task: "own", File: "m.onnx", SHA256: hex.EncodeToString(sum[:]), Signature: &sig}},
	}
	return c, func(string) ([]byte, error) { return onnx, nil }
}

func packed(ts ...tensors.Tensor) query.Input {
	return query.Input{ContentType: tensors.ContentType, Data: tensors.Pack(ts)}
}

var specX = tensors.Spec{Name: "X", Datatype: tensors.FP32, Shape: []int64{-1, 2}}

func TestAnswersByKind(t *testing.T) {
	e, _, _ := open(t)
	forest := enginetest.Forest(2, 0.5, [2]string{"no", "yes"})
	affine := enginetest.Affine(2, 1, -1, 2)
	rowsOf := func(name string, values ...float32) tensors.Tensor {
		return tensors.FromFloats(name, []int64{int64(len(values) / 2), 2}, values)
	}
	for _, tc := range []struct {
		name   string
		onnx   []byte
		kind   profile.TaskKind
		labels []string
		answer string
		in     query.Input
		want   query.Result // trimmed
		code   query.FailureCode
	}{
		{"a row's classes", forest, profile.Classify, []string{"no", "yes"}, "output_probability", packed(rowsOf("X", 1, 0)),
			query.NewRowsResult([][]float32{{0.25, 0.75}}, []string{"no", "yes"}), ""},
		{"many rows' classes", forest, profile.Classify, []string{"no", "yes"}, "output_probability", packed(rowsOf("X", 1, 0, 0, 0)),
			query.NewRowsResult([][]float32{{0.25, 0.75}, {1, 0}}, []string{"no", "yes"}), ""},
		{"a vector", affine, profile.Embed, nil, "y", packed(rowsOf("x", 1, 2)), query.Result{Embedding: []float32{3, 5}}, ""},
		{"tensors", affine, profile.Tensors, nil, "", packed(rowsOf("x", 1, 2)), query.NewTensorResult([]tensors.Tensor{rowsOf("y", 3, 5)}), ""},
		{"no finite vector", enginetest.Affine(3e38, 1, -1, 2), profile.Embed, nil, "y", packed(rowsOf("x", 10, 2)), query.Result{}, query.BadInput},
		{"no rows", forest, profile.Classify, []string{"no", "yes"}, "output_probability", packed(tensors.FromFloats("X", []int64{0, 2}, nil)), query.Result{}, query.BadInput},
		{"labels of another model", forest, profile.Classify, []string{"a", "b", "c"}, "output_probability", packed(rowsOf("X", 1, 0)), query.Result{}, query.ModelFault},
		{"another input", forest, profile.Classify, []string{"no", "yes"}, "output_probability", packed(rowsOf("Y", 1, 0)), query.Result{}, query.BadInput},
		{"no tensors", forest, profile.Classify, []string{"no", "yes"}, "output_probability", query.Input{ContentType: tensors.ContentType, Data: []byte("PNG")}, query.Result{}, query.BadInput},
	} {
		c, files := own(tc.onnx, tc.kind, tc.labels, profile.Signature{Inputs: []tensors.Spec{specX}, Answer: tc.answer})
		a := answer.New(e, c, files, answer.Memory{})
		if err := a.Warm(t.Context(), "m"); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		got, err := a.Answer(t.Context(), "m", []query.Input{tc.in})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		fault, failed := errors.AsType[*answer.Fault](got[0].Err)
		if failed != (tc.code != "") || failed && fault.Code != tc.code {
			t.Errorf("%s: %v, want %q", tc.name, got[0].Err, tc.code)
		}
		if !failed && !got[0].Result.Trim(false).Equal(tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.name, got[0].Result.Trim(false), tc.want)
		}
	}
}

// changing is a catalogue that is another one once it is refreshed.
type changing struct {
	now, next *profile.Catalogue
}

func (c *changing) Current() *profile.Catalogue { return c.now }
func (c *changing) Refresh() error              { c.now = c.next; return nil }

// A model that was added this moment is known when it is asked for; another file
// under a name is another model; and what is gone is unloaded.
func TestTheCatalogueMayChange(t *testing.T) {
	e, _, _ := open(t)
	first, second := enginetest.Affine(2, 0, -1, 2), enginetest.Affine(3, 0, -1, 2)
	spec := profile.Signature{Inputs: []tensors.Spec{{Name: "x", Datatype: tensors.FP32, Shape: []int64{-1, 2}}}}
	c, _ := own(first, profile.Tensors, nil, spec)
	file := first
	source := &changing{now: &profile.Catalogue{}, next: c}
	a := answer.New(e, source, models(func(string) ([]byte, error) { return file, nil }), answer.Memory{})
	ask := func() []float32 {
		t.Helper()
		got, err := a.Answer(t.Context(), "m", []query.Input{packed(tensors.FromFloats("x", []int64{1, 2}, []float32{1, 2}))})
		if err != nil || got[0].Err != nil {
			t.Fatal(err, got)
		}
		out, _ := got[0].Result.Outputs[0].Floats()
		return out
	}
	if got := ask(); !slices.Equal(got, []float32{2, 4}) {
		t.Errorf("answered %v", got)
	}
	file = second
	source.now, _ = own(second, profile.Tensors, nil, spec)
	if got := ask(); !slices.Equal(got, []float32{3, 6}) {
		t.Errorf("by another file: %v", got)
	}
	a.Unload()
	if got := ask(); !slices.Equal(got, []float32{3, 6}) {
		t.Errorf("after the first was unloaded: %v", got)
	}
}
