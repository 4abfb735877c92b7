package modelcheck

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/tokenizer"
)

func attached(t *testing.T, onnx []byte) []byte {
	t.Helper()
	out, err := tokenizer.Attach(onnx, enginetest.Tokenizer("8"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Options that do not fit a model are named.
func TestOptionsOfText(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		onnx       []byte
		asked      Request
	}{
		{"no tokenizer", "option input", enginetest.Tokens(-1), Request{Input: profile.TextIn}},
		{"numbers for a task of pictures", "option task is a task whose models take the input picture", enginetest.Affine(1, 0, -1, 4), Request{}.Like(profile.Classify, profile.Picture, nil)},
		{"numbers as pictures", "option input is picture: the model takes", enginetest.Affine(1, 0, -1, 4), Request{Input: profile.Picture}.Like(profile.Classify, profile.Picture, nil)},
		{"a tokenizer of tensors", "option tokenizer", attached(t, enginetest.Tokens(-1)), Request{Input: profile.TensorsIn}},
		{"a tokenizer of numbers", "option input", attached(t, enginetest.Affine(1, 0, -1, 4)), Request{}},
		{"tokens of tensors", "option max-tokens", enginetest.Affine(1, 0, -1, 4), Request{MaxTokens: 5}},
		{"a preprocessed text", "option preprocess", enginetest.Words(), Request{Preprocess: &profile.Preprocess{Preset: profile.Imagenet}}},
	} {
		tc.asked.Once = true
		got, err := Run(t.Context(), tc.onnx, tc.asked)
		if err != nil || got.Problem == nil || !strings.Contains(got.Problem.Error(), tc.says) {
			t.Errorf("%s: %v, %v", tc.name, got.Problem, err)
		}
	}
}

// The accuracy is counted over all items, and an item that cannot be answered or is
// labeled with what is no label ends it by its name.
func TestAccuracyIsCounted(t *testing.T) {
	onnx := enginetest.Words()
	r, err := Run(t.Context(), onnx, Request{Labels: []string{"no", "yes"}, Once: true})
	if err != nil || r.Problem != nil {
		t.Fatal(r.Problem, err)
	}
	item := func(name, label, text string) Item {
		return Item{name, label, func() (query.Input, error) {
			return query.Input{ContentType: query.TextType, Data: []byte(text)}, nil
		}}
	}
	items := []Item{item("a", "yes", "yes"), item("b", "no", "no"), item("c", "no", "yes"), item("d", "yes", "yes")}
	var steps atomic.Int64
	if right, err := Accuracy(t.Context(), onnx, r, items, func(int) { steps.Add(1) }); right != 3 || err != nil || steps.Load() != 4 {
		t.Errorf("%d right in %d steps, error %v", right, steps.Load(), err)
	}
	missing := Item{"e", "yes", func() (query.Input, error) { return query.Input{}, errors.New("it is not there") }}
	for says, bad := range map[string]Item{"maybe": item("f", "maybe", "yes"), "e: it is not there": missing} {
		if _, err := Accuracy(t.Context(), onnx, r, append(items[:4:4], bad), func(int) {}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v does not say %q", err, says)
		}
	}
	r.Kind = profile.Embed
	if _, err := Accuracy(t.Context(), onnx, r, items, func(int) {}); err == nil || !strings.Contains(err.Error(), "embed") {
		t.Errorf("of an embedding: %v", err)
	}
}
