package answer_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

// Queries of a model that was measured in batches share a run if their inputs have the same
// shapes; its answers say with how many. Those of another model do not.
func TestQueriesShareARun(t *testing.T) {
	e, _, _ := open(t)
	x := func(rows int64, values ...float32) query.Input {
		return packed(tensors.FromFloats("x", []int64{rows, int64(len(values)) / rows}, values))
	}
	for _, batches := range []bool{true, false} {
		c, files := own(enginetest.CountsRows(), profile.Tensors, nil, profile.Signature{Inputs: []tensors.Spec{{Name: "x", Datatype: tensors.FP32, Shape: []int64{-1, -1}}}})
		if batches {
			c.Models[0].Latency = []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1}, {Resource: "reference", Threads: 1, Batch: 2}}
		}
		a := answer.New(e, c, files, answer.Memory{})
		got, err := a.Answer(t.Context(), "m", []query.Input{x(1, 10, 20), x(1, 30), {ContentType: tensors.ContentType, Data: []byte("PNG")}, x(1, 40, 50), x(2, 60, 70)})
		if err != nil {
			t.Fatal(err)
		}
		want := [][]float32{{11, 21}, {31}, nil, {41, 51}, {62, 72}}
		if batches {
			want = [][]float32{{12, 22}, {31}, nil, {42, 52}, {62, 72}}
		}
		for i, w := range want {
			fault, failed := errors.AsType[*answer.Fault](got[i].Err)
			if failed != (w == nil) || failed && fault.Code != query.BadInput {
				t.Errorf("batches %v: query %d: %v", batches, i, got[i].Err)
			}
			if w == nil {
				continue
			}
			if y, _ := got[i].Result.Outputs[0].Floats(); !slices.Equal(y, w) {
				t.Errorf("batches %v: query %d: %v, want %v", batches, i, y, w)
			}
		}
	}
}

// A query that fails in a shared run fails alone: the others are run again without it.
func TestAQueryThatFailsASharedRunFailsAlone(t *testing.T) {
	e, _, _ := open(t)
	c, files := own(enginetest.BrittleForest(2, 0.5, [2]string{"no", "yes"}), profile.Classify, []string{"no", "yes"}, profile.Signature{Inputs: []tensors.Spec{specX}, Answer: "output_probability"})
	c.Models[0].Latency = []profile.Latency{{Resource: "reference", Threads: 1, Batch: 8}}
	a := answer.New(e, c, files, answer.Memory{})
	zeros, ones := packed(tensors.FromFloats("X", []int64{1, 2}, []float32{0, 0})), packed(tensors.FromFloats("X", []int64{1, 2}, []float32{1, 1}))
	got, err := a.Answer(t.Context(), "m", []query.Input{zeros, ones, zeros})
	if err != nil || got[0].Err != nil || got[2].Err != nil || got[1].Err == nil || got[0].Result.Label != "no" || got[2].Result.Label != "no" {
		t.Errorf("%+v, error %v", got, err)
	}
}

// Texts of different lengths share a run: the shorter are padded with the tokenizer's token,
// which the mask leaves out.
func TestTextsArePaddedToTheLongest(t *testing.T) {
	e, _, _ := open(t)
	onnx, err := tokenizer.Attach(enginetest.Tokens(-1), enginetest.Tokenizer("8"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Load(t.Context(), "tokens", onnx, 1)
	if err != nil {
		t.Fatal(err)
	}
	text, err := answer.NewText(m.Takes(), onnx, profile.Text{})
	if err != nil {
		t.Fatal(err)
	}
	var each [][]tensors.Tensor
	for _, s := range []string{"yes", "no yes yes", "no"} {
		given, err := text.Inputs([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		each = append(each, given)
	}
	got, err := answer.RunTogether(t.Context(), m, text, each)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][2][]byte{{{1, 0, 0}, {1, 0, 0}}, {{2, 1, 1}, {1, 1, 1}}, {{2, 0, 0}, {1, 0, 0}}} {
		for n, values := range want {
			var low []byte
			for number := range slices.Chunk(got[i][n].Data, 8) {
				low = append(low, number[0])
			}
			if !slices.Equal(low, values) {
				t.Errorf("text %d: output %s is %v, want %v", i, got[i][n].Name, low, values)
			}
		}
	}
}
