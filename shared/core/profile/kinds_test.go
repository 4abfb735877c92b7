package profile

import (
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// tabular is a valid catalogue with a tensor-input model of a second task.
func tabular(t *testing.T) (*Catalogue, Added) {
	t.Helper()
	c, err := Assemble(valid())
	if err != nil {
		t.Fatal(err)
	}
	m := c.Models[0]
	m.Name, m.Task, m.Input, m.File = "forest", "iris", nil, "forest.onnx"
	m.Signature = &Signature{
		Inputs:  []tensors.Spec{{Name: "X", Datatype: tensors.FP32, Shape: []int64{-1, 4}}},
		Outputs: []tensors.Spec{{Name: "p", Datatype: tensors.FP32, Shape: []int64{-1, 3}}}, Answer: "p",
	}
	return c, Added{Tasks: []Task{{Name: "iris", Labels: []string{"a", "b", "c"}}}, Models: []Model{m}}
}

func TestModelsAreAdded(t *testing.T) {
	c, a := tabular(t)
	with, err := c.With(a)
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := with.Model("forest"); !ok || m.Takes() != TensorsIn || !m.Runnable() {
		t.Errorf("added as %+v", m)
	}
	if len(c.Models) != 1 || len(c.Tasks) != 1 {
		t.Error("the catalogue that was added to has changed")
	}
	a.Models[0].RetiredAt = "2026-11-26T10:00:00Z"
	if with, err = c.With(a); err != nil {
		t.Fatal(err)
	}
	if _, ok := with.Model("forest"); !ok {
		t.Error("a retired model is not known any more")
	}
	offered := with.Offered()
	if _, ok := offered.Model("forest"); ok {
		t.Error("a retired model is offered")
	}
	if _, ok := offered.Task("iris"); ok {
		t.Error("a task is offered that nothing answers")
	}
}

func TestSignaturesOfATaskAreOne(t *testing.T) {
	c, a := tabular(t)
	second := a.Models[0]
	second.Name = "other"
	second.Signature = &Signature{Inputs: []tensors.Spec{{Name: "X", Datatype: tensors.FP32, Shape: []int64{1, 4}}}, Outputs: second.Signature.Outputs, Answer: "p"}
	a.Models = append(a.Models, second)
	with, err := c.With(a)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := with.SignatureOf("iris"); !ok || !slices.Equal(s.Inputs[0].Shape, []int64{-1, 4}) {
		t.Errorf("signature %+v, %v", s, ok)
	}
	if _, ok := with.SignatureOf("t"); ok {
		t.Error("a task of pictures has a signature")
	}
}

func TestWhatDoesNotFitATaskIsNamed(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*Added)
		want  string
	}{
		{"another kind of input", func(a *Added) { a.Models[0].Task = "t" }, "model m of the same task takes picture"},
		{"another datatype", func(a *Added) {
			other := a.Models[0]
			other.Name = "other"
			other.Signature = &Signature{Inputs: []tensors.Spec{{Name: "X", Datatype: tensors.FP64, Shape: []int64{-1, 4}}}, Outputs: other.Signature.Outputs, Answer: "p"}
			a.Models = append(a.Models, other)
		}, "model other: signature.inputs"},
		{"no such output", func(a *Added) { a.Models[0].Signature.Answer = "q" }, `signature.answer "q"`},
		{"nothing to read", func(a *Added) { a.Models[0].Signature.Answer = "" }, "kind classify"},
		{"no datatype", func(a *Added) { a.Models[0].Signature.Outputs[0].Datatype = "FP31" }, "FP31"},
		{"no input at all", func(a *Added) { a.Models[0].Signature = nil }, "model forest: input"},
		{"no labels", func(a *Added) { a.Tasks[0].Labels = nil }, "labels"},
		{"a kind unheard of", func(a *Added) { a.Tasks[0].Kind = "rank" }, `task iris: kind "rank"`},
		{"unknown accuracy with a figure", func(a *Added) { a.Models[0].Accuracy.Source.Kind = UnknownAccuracy }, "must be 0"},
		{"stated latency", func(a *Added) {
			l := slices.Clone(a.Models[0].Latency)
			l[0].Source.Kind = StatedAccuracy
			a.Models[0].Latency = l
		}, "latency[0].source"},
		{"no time", func(a *Added) { a.Models[0].RetiredAt = "yesterday" }, "retired_at"},
	} {
		c, a := tabular(t)
		tc.spoil(&a)
		if _, err := c.With(a); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
