package onnxruntime

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tensor"
)

// datatypes are all of the protocol's, as ONNX numbers them.
var datatypes = map[enginetest.ElementType]tensors.Datatype{
	enginetest.Float32: tensors.FP32, enginetest.Uint8: tensors.Uint8, enginetest.Int8: tensors.Int8,
	enginetest.Uint16: tensors.Uint16, enginetest.Int16: tensors.Int16, enginetest.Int32: tensors.Int32,
	enginetest.Int64: tensors.Int64, enginetest.String: tensors.Bytes, enginetest.Bool: tensors.Bool,
	enginetest.Float16: tensors.FP16, enginetest.Float64: tensors.FP64, enginetest.Uint32: tensors.Uint32,
	enginetest.Uint64: tensors.Uint64, enginetest.BFloat16: tensors.BF16,
}

// filled is a tensor of a datatype and shape whose elements all differ in their bytes.
func filled(name string, d tensors.Datatype, shape []int64) tensors.Tensor {
	n, err := tensors.Elements(shape)
	if err != nil {
		panic(err)
	}
	t := tensors.Tensor{Name: name, Datatype: d, Shape: shape, Data: []byte{}}
	for i := range n {
		if d == tensors.Bytes {
			t.Data = tensors.AppendString(t.Data, strings.Repeat("ü", i%3)+fmt.Sprint(i))
			continue
		}
		for k := range d.Size() {
			t.Data = append(t.Data, byte(i*(k+1))%2+byte(i)*min(byte(k), 1))
		}
	}
	if d == tensors.Bool {
		for i := range t.Data {
			t.Data[i] &= 1
		}
	}
	return t
}

// Every datatype goes through a model of many inputs and outputs bit by bit, at
// every rank and also empty.
func TestEveryDatatypeGoesThrough(t *testing.T) {
	var elements []enginetest.ElementType
	for e := range datatypes {
		elements = append(elements, e)
	}
	lib := library(t)
	for _, shape := range [][]int64{{}, {3}, {2, 3}, {1, 2, 1, 2, 1, 2, 1, 2}, {0, 2}} {
		s := session(t, lib, enginetest.Identity(elements, shape...))
		var in []tensors.Tensor
		for _, e := range elements {
			in = append(in, filled(fmt.Sprint("in_", int(e)), datatypes[e], shape))
		}
		slices.Reverse(in) // their order is of no matter
		out, err := s.RunNamed(in)
		if err != nil {
			t.Fatalf("shape %v: %v", shape, err)
		}
		for i, e := range elements {
			want, _ := tensors.Find(in, fmt.Sprint("in_", int(e)))
			got := out[i]
			if got.Name != fmt.Sprint("out_", int(e)) || got.Datatype != want.Datatype || !slices.Equal(got.Shape, shape) || !bytes.Equal(got.Data, want.Data) {
				t.Errorf("shape %v, %s: %v, want %v", shape, want.Datatype, got, want)
			}
			if p := s.Inputs()[i]; p.Datatype != want.Datatype || !slices.Equal(p.Shape, shape) {
				t.Errorf("described as %+v", p)
			}
		}
	}
}

// Data that does not lie as its numbers must is copied, not refused.
func TestDataMayLieAnywhere(t *testing.T) {
	s := session(t, library(t), enginetest.Identity([]enginetest.ElementType{enginetest.Float64}, 2))
	whole := make([]byte, 17)
	in := filled("in_11", tensors.FP64, []int64{2})
	copy(whole[1:], in.Data)
	in.Data = whole[1:]
	out, err := s.RunNamed([]tensors.Tensor{in})
	if err != nil || !bytes.Equal(out[0].Data, in.Data) {
		t.Errorf("%v, %v", out, err)
	}
}

// What scikit-learn ends with, a map a row, comes as a table with its labels.
func TestMapsAreATable(t *testing.T) {
	s := session(t, library(t), enginetest.Forest(2, 0.5, [2]string{"no", "yes"}))
	out, err := s.RunNamed([]tensors.Tensor{tensors.FromFloats("X", []int64{3, 2}, []float32{0, 9, 1, 9, 0.5, 9})})
	if err != nil {
		t.Fatal(err)
	}
	labels, err := out[0].Strings()
	if err != nil || fmt.Sprintf("%s", labels) != "[no yes no]" {
		t.Errorf("labels %s, %v", labels, err)
	}
	scores, _ := out[1].Floats()
	if !slices.Equal(scores, []float32{1, 0, 0.25, 0.75, 1, 0}) || !slices.Equal(out[1].Shape, []int64{3, 2}) || !slices.Equal(out[1].Keys, []string{"no", "yes"}) {
		t.Errorf("scores %v of shape %v, keys %q", scores, out[1].Shape, out[1].Keys)
	}
	if kind := s.Outputs()[1].Kind; kind != SequencePort {
		t.Errorf("described as %s", kind)
	}
}

func TestNamedRunErrors(t *testing.T) {
	lib := library(t)
	numbers := session(t, lib, enginetest.Affine(1, 0, -1, 3))
	texts := session(t, lib, enginetest.Identity([]enginetest.ElementType{enginetest.String}, 1))
	for _, tc := range []struct {
		s    *Session
		in   []tensors.Tensor
		want string
	}{
		{numbers, nil, "takes 1 inputs"},
		{numbers, []tensors.Tensor{filled("z", tensors.FP32, []int64{1, 3})}, `"x" is missing`},
		{numbers, []tensors.Tensor{filled("x", tensors.Uint8, []int64{1, 3})}, "Unexpected input data type"},
		{numbers, []tensors.Tensor{filled("x", tensors.FP32, []int64{1, 4})}, "Got invalid dimensions"},
		{numbers, []tensors.Tensor{{Name: "x", Datatype: tensors.FP32, Shape: []int64{1, 3}, Data: make([]byte, 4)}}, "needs 12"},
		{texts, []tensors.Tensor{{Name: "in_8", Datatype: tensors.Bytes, Shape: []int64{1}, Data: tensors.AppendString(nil, "a\x00b")}}, "NUL"},
	} {
		if _, err := tc.s.RunNamed(tc.in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
	if _, err := texts.Run(tensor.Tensor{Shape: []int64{1}, Data: []float32{1}}); err == nil || texts.Single() {
		t.Error("a model of strings ran as one of numbers")
	}
}
