package answer_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

// textual is a catalogue with one model that takes text.
func textual(onnx []byte, kind profile.TaskKind, labels []string, reads string, text profile.Text) (*profile.Catalogue, models) {
	c, files := own(onnx, kind, labels, profile.Signature{Inputs: []tensors.Spec{profile.TextSpec()}, Answer: reads})
	c.Models[0].Text = &text
	return c, files
}

func attached(t *testing.T, onnx []byte, maxTokens string) []byte {
	t.Helper()
	out, err := tokenizer.Attach(onnx, enginetest.Tokenizer(maxTokens))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A model that takes strings is given the text, and one that takes tokens what its
// tokenizer makes of it, cut and padded as the model and its profile want it.
func TestTextBecomesTheModelsInputs(t *testing.T) {
	e, _, _ := open(t)
	row := func(name string, values ...int64) tensors.Tensor {
		out := tensors.Tensor{Name: name, Datatype: tensors.Int64, Shape: []int64{1, int64(len(values))}}
		for _, v := range values {
			out.Data = append(out.Data, byte(v), 0, 0, 0, 0, 0, 0, 0)
		}
		return out
	}
	both := []string{"no", "yes"}
	for _, tc := range []struct {
		name   string
		onnx   []byte
		kind   profile.TaskKind
		labels []string
		reads  string
		text   profile.Text
		in     string
		want   query.Result
		code   query.FailureCode
	}{
		{"strings", enginetest.Words(), profile.Classify, both, "probabilities", profile.Text{}, "yes", query.NewResult([]float32{0, 1}, both), ""},
		{"other strings", enginetest.Words(), profile.Classify, both, "probabilities", profile.Text{}, "ÿes\n", query.NewResult([]float32{0.5, 0.5}, both), ""},
		{"tokens", attached(t, enginetest.Tokens(-1), "8"), profile.Tensors, nil, "", profile.Text{}, "Yes, no", query.NewTensorResult([]tensors.Tensor{row("ids", 1, 0, 2), row("mask", 1, 1, 1)}), ""},
		{"cut by the tokenizer", attached(t, enginetest.Tokens(-1), "2"), profile.Tensors, nil, "", profile.Text{}, "no yes no", query.NewTensorResult([]tensors.Tensor{row("ids", 2, 1), row("mask", 1, 1)}), ""},
		{"cut by the profile", attached(t, enginetest.Tokens(-1), "8"), profile.Tensors, nil, "", profile.Text{MaxTokens: 1}, "no yes no", query.NewTensorResult([]tensors.Tensor{row("ids", 2), row("mask", 1)}), ""},
		{"padded", attached(t, enginetest.Tokens(4), "8"), profile.Tensors, nil, "", profile.Text{}, "no", query.NewTensorResult([]tensors.Tensor{row("ids", 2, 0, 0, 0), row("mask", 1, 0, 0, 0)}), ""},
		{"cut by the tokenizer, and padded", attached(t, enginetest.Tokens(4), "2"), profile.Tensors, nil, "", profile.Text{}, "no yes no", query.NewTensorResult([]tensors.Tensor{row("ids", 2, 1, 0, 0), row("mask", 1, 1, 0, 0)}), ""},
		{"cut by the model", attached(t, enginetest.Tokens(2), "8"), profile.Tensors, nil, "", profile.Text{}, "no no no", query.NewTensorResult([]tensors.Tensor{row("ids", 2, 2), row("mask", 1, 1)}), ""},
		{"no UTF-8", attached(t, enginetest.Tokens(-1), "8"), profile.Tensors, nil, "", profile.Text{}, "a\xff", query.Result{}, query.BadInput},
		{"a NUL", enginetest.Words(), profile.Classify, both, "probabilities", profile.Text{}, "a\x00", query.Result{}, query.BadInput},
		{"no tokenizer", enginetest.Tokens(-1), profile.Tensors, nil, "", profile.Text{}, "no", query.Result{}, query.ModelFault},
	} {
		c, files := textual(tc.onnx, tc.kind, tc.labels, tc.reads, tc.text)
		a := answer.New(e, c, files, answer.Memory{})
		out, err := a.Answer(t.Context(), "m", []query.Input{{ContentType: query.TextType, Data: []byte(tc.in)}})
		if err == nil {
			err = out[0].Err
		}
		if f, ok := errors.AsType[*answer.Fault](err); tc.code != "" && (!ok || f.Code != tc.code) {
			t.Errorf("%s: error %v", tc.name, err)
		}
		if tc.code == "" && (err != nil || !out[0].Result.Trim(false).Equal(tc.want.Trim(false))) {
			t.Errorf("%s: %+v, error %v", tc.name, out, err)
		}
	}
}

// Inputs that no text becomes are refused by their names.
func TestInputsThatNoTextBecomes(t *testing.T) {
	port := func(name string, d tensors.Datatype, shape ...int64) tensors.Spec {
		return tensors.Spec{Name: name, Datatype: d, Shape: shape}
	}
	ids := port("input_ids", tensors.Int64, -1, -1)
	onnx := attached(t, enginetest.Tokens(-1), "8")
	for _, tc := range []struct {
		name, says string
		takes      []tensors.Spec
		text       profile.Text
	}{
		{"floats", `"x" is FP32`, []tensors.Spec{port("x", tensors.FP32, -1, -1)}, profile.Text{}},
		{"another input", `"pixels"`, []tensors.Spec{ids, port("pixels", tensors.Int64, -1, -1)}, profile.Text{}},
		{"no ids", "input_ids", []tensors.Spec{port("attention_mask", tensors.Int64, -1, -1)}, profile.Text{}},
		{"two lengths", "takes 4 tokens", []tensors.Spec{port("input_ids", tensors.Int64, 1, 8), port("attention_mask", tensors.Int64, 1, 4)}, profile.Text{}},
		{"many texts", "3 texts", []tensors.Spec{port("input_ids", tensors.Int64, 3, 8)}, profile.Text{}},
		{"too many tokens", "max_tokens is 9", []tensors.Spec{port("input_ids", tensors.Int64, 1, 8)}, profile.Text{MaxTokens: 9}},
		{"strings and a tokenizer", "needs no tokenizer", []tensors.Spec{port("s", tensors.Bytes, -1)}, profile.Text{}},
	} {
		if _, err := answer.NewText(tc.takes, onnx, tc.text); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v does not name %q", tc.name, err, tc.says)
		}
	}
	again := attached(t, onnx, "3")
	if file, err := tokenizer.Attached(again); err != nil || !slices.Equal(file, enginetest.Tokenizer("3")) {
		t.Errorf("attached twice, it is %s, error %v", file, err)
	}
}
