package measure

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

// agreeOn has a model run on n different queries, alone and together.
func agreeOn(t *testing.T, onnx []byte, text *profile.Text, n int) error {
	t.Helper()
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := Subject{Name: "m", ONNX: onnx, Text: text}
	l, err := s.load(t.Context(), e, 1)
	if err != nil {
		t.Fatal(err)
	}
	l.Inputs = []query.Input{{ContentType: tensors.ContentType, Data: tensors.Pack(answer.Blank(l.model.Takes()))}}
	if text != nil {
		l.Inputs = []query.Input{{ContentType: query.TextType, Data: []byte("yes no yes no yes no")}}
	}
	return l.agree(t.Context(), n)
}

// Queries share a run only if each gets the answer that it gets alone.
func TestAgree(t *testing.T) {
	tokens, err := tokenizer.Attach(enginetest.Tokens(-1), enginetest.Tokenizer("8"))
	if err != nil {
		t.Fatal(err)
	}
	fixedTokens, err := tokenizer.Attach(enginetest.Tokens(4), enginetest.Tokenizer("8"))
	if err != nil {
		t.Fatal(err)
	}
	centred := enginetest.Graph{
		Inputs:  []enginetest.Value{{Name: "x", Type: enginetest.Float32, Shape: []int64{-1, 4}}},
		Outputs: []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{-1, 4}}},
		Nodes: []enginetest.Node{
			{Op: "ReduceMean", Inputs: []string{"x"}, Outputs: []string{"mean"}, Attributes: []enginetest.Attribute{{Name: "axes", Ints: []int64{0}}}},
			{Op: "Sub", Inputs: []string{"x", "mean"}, Outputs: []string{"y"}},
		},
	}.Bytes()
	quantised := enginetest.Graph{
		Inputs:  []enginetest.Value{{Name: "x", Type: enginetest.Float32, Shape: []int64{-1, 4}}},
		Outputs: []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{-1, 4}}},
		Nodes: []enginetest.Node{
			{Op: "DynamicQuantizeLinear", Inputs: []string{"x"}, Outputs: []string{"whole", "scale", "zero"}},
			{Op: "DequantizeLinear", Inputs: []string{"whole", "scale", "zero"}, Outputs: []string{"y"}},
		},
	}.Bytes()
	for _, tc := range []struct {
		name string
		onnx []byte
		text *profile.Text
		why  string // empty where they agree
	}{
		{"numbers", enginetest.Affine(2, 1, -1, 4), nil, ""},
		{"a forest", enginetest.Forest(2, 0.5, [2]string{"no", "yes"}), nil, ""},
		{"strings", enginetest.Words(), &profile.Text{}, ""},
		{"texts of a fixed length", fixedTokens, &profile.Text{}, ""},
		{"any types", enginetest.Identity([]enginetest.ElementType{enginetest.String, enginetest.Bool, enginetest.Float16, enginetest.Int64, enginetest.Uint8, enginetest.Float64}, -1, 3), nil, ""},
		{"answers less the batch's mean", centred, nil, `output "y"`},
		{"answers with the batch's size", enginetest.CountsRows(), nil, `output "y"`},
		{"padding that is seen", tokens, &profile.Text{}, `output "ids"`},
		{"quantizes by the run's range", quantised, nil, "quantizes"},
		{"a fixed first dimension", enginetest.Affine(2, 1, 1, 4), nil, `input "x"`},
		{"runs on zeros alone", enginetest.BrittleForest(2, 0.5, [2]string{"no", "yes"}), nil, "run"},
	} {
		for _, n := range []int{2, 8} {
			err := agreeOn(t, tc.onnx, tc.text, n)
			if errors.Is(err, ErrNotBatched) != (tc.why != "") || err != nil && !strings.Contains(err.Error(), tc.why) {
				t.Errorf("%s, %d queries: %v, want %q", tc.name, n, err, tc.why)
			}
		}
	}
	s := Subject{Name: "m", ONNX: centred, Inputs: []query.Input{{ContentType: tensors.ContentType, Data: tensors.Pack(answer.Blank([]tensors.Spec{{Name: "x", Datatype: tensors.FP32, Shape: []int64{-1, 4}}}))}}}
	if _, err := Measure(context.Background(), s, Setting{1, 2, 1}, Plan{Samples: 1, Budget: time.Hour, Now: Wall}); !errors.Is(err, ErrNotBatched) {
		t.Errorf("a batch whose queries disagree is measured: %v", err)
	}
}

// Rounding is no difference, and any other is.
func TestSameOutput(t *testing.T) {
	half := func(x float32) tensors.Tensor {
		h, err := tensors.Convert(tensors.FromFloats("y", []int64{2}, []float32{x, 100}), tensors.FP16)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	single := func(x float32) tensors.Tensor { return tensors.FromFloats("y", []int64{2}, []float32{x, 100}) }
	for _, tc := range []struct {
		name string
		a, b tensors.Tensor
		want bool
	}{
		{"rounded", single(1), single(1.001), true},
		{"apart", single(1), single(1.1), false},
		{"half precision, rounded", half(1), half(1.5), true},
		{"half precision, apart", half(1), half(4), false},
		{"another shape", single(1), tensors.FromFloats("y", []int64{1, 2}, []float32{1, 100}), false},
		{"whole numbers", tensors.Tensor{Datatype: tensors.Int8, Shape: []int64{1}, Data: []byte{1}}, tensors.Tensor{Datatype: tensors.Int8, Shape: []int64{1}, Data: []byte{2}}, false},
	} {
		if got := sameOutput(tc.a, tc.b); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// Samples vary in every datatype, and are valid.
func TestVary(t *testing.T) {
	for _, d := range tensors.Datatypes() {
		for _, sample := range [][]tensors.Tensor{answer.Blank([]tensors.Spec{{Name: "x", Datatype: d, Shape: []int64{1, 16}}})} {
			if same := Vary(sample, 0); !slices.Equal(same[0].Data, sample[0].Data) {
				t.Errorf("%s: the first is not the sample", d)
			}
			var before []byte
			for n := 1; n < 4; n++ {
				got := Vary(sample, n)[0]
				if err := got.Check(); err != nil || slices.Equal(got.Data, sample[0].Data) || slices.Equal(got.Data, before) {
					t.Errorf("%s: %d is %v, error %v", d, n, got.Data, err)
				}
				before = got.Data
			}
		}
	}
	if a, b := Text("one two three four", 1), Text("one two three four", 2); a != "two three" || b != "three" {
		t.Errorf("texts are %q and %q", a, b)
	}
}
