package modelcheck

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
	"github.com/paragon-serving/paragon/shared/engine/wire"
)

// What a model is, is read from it; what is said of it wins.
func TestWhatModelsAre(t *testing.T) {
	rows := [][]float32{{1, 0, 0}, {0, 1, 0}}
	picture := enginetest.Linear([][]float32{make([]float32, 192), make([]float32, 192)}, 3, 8, 8)
	for _, tc := range []struct {
		name  string
		onnx  []byte
		asked Request
		want  Report // kind, input and labels
		reads string
	}{
		{"a forest", enginetest.Forest(2, 0, [2]string{"no", "yes"}), Request{},
			Report{Kind: profile.Classify, Input: profile.TensorsIn, Labels: []string{"no", "yes"}}, "output_probability"},
		{"a softmax", enginetest.Linear(rows, 3), Request{}, Report{Kind: profile.Classify, Input: profile.TensorsIn, Labels: []string{"0", "1"}}, "probabilities"},
		{"labels of the task", enginetest.Linear(rows, 3), Request{TaskLabels: []string{"a", "b"}}, Report{Kind: profile.Classify, Input: profile.TensorsIn, Labels: []string{"a", "b"}}, "probabilities"},
		{"a picture's classes", picture, Request{Labels: []string{"cat", "dog"}}, Report{Kind: profile.Classify, Input: profile.Picture, Labels: []string{"cat", "dog"}}, "probabilities"},
		{"a picture's numbers", picture, Request{Kind: profile.Tensors}, Report{Kind: profile.Tensors, Input: profile.TensorsIn}, ""},
		{"numbers", enginetest.Affine(1, 0, -1, 4), Request{}, Report{Kind: profile.Tensors, Input: profile.TensorsIn}, ""},
		{"a vector", enginetest.Affine(1, 0, -1, 4), Request{Kind: profile.Embed}, Report{Kind: profile.Embed, Input: profile.TensorsIn}, "y"},
		{"strings", enginetest.Words(), Request{Labels: []string{"no", "yes"}}, Report{Kind: profile.Classify, Input: profile.TextIn, Labels: []string{"no", "yes"}}, "probabilities"},
		{"tokens", attached(t, enginetest.Tokens(-1)), Request{}, Report{Kind: profile.Tensors, Input: profile.TextIn}, ""},
		{"any types", enginetest.Identity([]enginetest.ElementType{enginetest.String, enginetest.Bool, enginetest.Float16}), Request{}, Report{Kind: profile.Tensors, Input: profile.TensorsIn}, ""},
	} {
		tc.asked.Once = true
		got, err := Run(t.Context(), tc.onnx, tc.asked)
		if err != nil || got.Problem != nil {
			t.Errorf("%s: %v, %v", tc.name, got.Problem, err)
			continue
		}
		if got.Kind != tc.want.Kind || got.Input != tc.want.Input || !slices.Equal(got.Labels, tc.want.Labels) || got.Signature.Answer != tc.reads || got.MemoryMB == 0 {
			t.Errorf("%s: %+v, reads %q", tc.name, got, got.Signature.Answer)
		}
	}
}

// A model that takes long enough is timed on as many threads as this machine has
// processors for, up to four.
func TestThreadsAreTimed(t *testing.T) {
	const side = 3000
	rows := make([][]float32, side)
	for i := range rows {
		rows[i] = make([]float32, side)
		rows[i][i] = 1
	}
	for name, tc := range map[string]struct {
		onnx []byte
		most int
	}{"long": {enginetest.Linear(rows, side), min(4, runtime.NumCPU())}, "short": {enginetest.Affine(1, 0, -1, 4), 1}} {
		got, err := Run(t.Context(), tc.onnx, Request{Kind: profile.Tensors})
		if err != nil || got.Problem != nil {
			t.Fatal(got.Problem, err)
		}
		var want []int
		for n := 2; n <= tc.most; n *= 2 {
			want = append(want, n)
		}
		var timed []int
		for _, r := range got.Threads {
			timed = append(timed, r.Threads)
			if r.Samples == 0 || r.MS.P50 <= 0 || r.MS.P99 < r.MS.P50 {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if !slices.Equal(timed, want) {
			t.Errorf("%s: timed on %v threads besides one, not %v", name, timed, want)
		}
	}
}

// A model of a task that is there has its kind and labels; the kind of input is the
// task's too, unless another was asked for, and that is so wherever it is asked.
func TestAModelIsLikeThoseOfItsTask(t *testing.T) {
	for _, asked := range []profile.InputKind{"", profile.TensorsIn} {
		got := Request{Input: asked, MaxTokens: 7}.Like(profile.Classify, profile.Picture, []string{"a", "b"})
		want := profile.Picture
		if asked != "" {
			want = asked
		}
		if got.Kind != profile.Classify || got.Input != want || len(got.TaskLabels) != 2 || got.MaxTokens != 7 {
			t.Errorf("asked for %q: %+v", asked, got)
		}
	}
}

// Weights in files external to a model are put into it, and it then runs as if they had
// always been there.
func TestWeightsWithAModel(t *testing.T) {
	external := enginetest.Graph{
		Inputs: []enginetest.Value{{Name: "x", Type: enginetest.Float32, Shape: []int64{-1, 2}}}, Outputs: []enginetest.Value{{Name: "y", Type: enginetest.Float32, Shape: []int64{-1, 2}}},
		Weights: []enginetest.Weight{{Name: "w", Shape: []int64{2}, External: "w.bin"}},
		Nodes:   []enginetest.Node{{Op: "Add", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
	}.Bytes()
	files := fstest.MapFS{"w.bin": {Data: make([]byte, 8)}}
	whole, err := Inline(external, files, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Run(t.Context(), whole, Request{Once: true}); err != nil || got.Problem != nil {
		t.Errorf("with its weights: %v, %v", got.Problem, err)
	}
	if got, err := Run(t.Context(), external, Request{Once: true}); err != nil || got.Problem == nil || !strings.Contains(got.Problem.Error(), "w.bin") {
		t.Errorf("without: %v, %v", got.Problem, err)
	}
	for name, limit := range map[string]int64{"exceed": int64(len(external)) + 7} {
		if _, err := Inline(external, files, limit); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if same, err := Inline(enginetest.Affine(1, 0, 1), files, 1); err != nil || !slices.Equal(same, enginetest.Affine(1, 0, 1)) {
		t.Errorf("a model without is changed: %v", err)
	}
}

// Whatever bytes come, they are read to an end and refused as no model, or read.
func TestInspectTakesAnyBytes(t *testing.T) {
	good := enginetest.Forest(2, 0, [2]string{"no", "yes"})
	rapid.Check(t, func(rt *rapid.T) {
		raw := slices.Clone(good)
		for range rapid.IntRange(0, 8).Draw(rt, "changes") {
			raw[rapid.IntRange(0, len(raw)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		_, err := inspect(raw[:rapid.IntRange(0, len(raw)).Draw(rt, "length")])
		if _, known := errors.AsType[*Problem](err); err != nil && !known && !errors.Is(err, wire.ErrFormat) {
			rt.Fatal(err)
		}
		if _, err := Inline(raw, fstest.MapFS{}, 1<<20); err != nil {
			if _, known := errors.AsType[*Problem](err); !known {
				rt.Fatal(err)
			}
		}
	})
}

// A locale that a machine lacks is no fault of the file's: what to do is said.
func TestAMissingLocaleSaysWhatToDo(t *testing.T) {
	missing, broken := notLoaded("Failed to construct locale with name:en_US.UTF-8"), notLoaded("no graph")
	if !strings.Contains(missing.Reason, `"locale": "C"`) || strings.Contains(broken.Reason, "locale") || broken.Part != "file" {
		t.Errorf("%v; %v", missing, broken)
	}
}
