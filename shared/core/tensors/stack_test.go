package tensors

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is joined is cut into the same tensors again, to the bit.
func TestSplitUndoesStack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		first := rapid.SliceOfN(rapid.Custom(anyTensor), 1, 3).Draw(rt, "tensors")
		var each [][]Tensor
		for range rapid.IntRange(1, 4).Draw(rt, "queries") {
			rows := rapid.Int64Range(1, 3).Draw(rt, "rows")
			var given []Tensor
			for i, x := range first {
				y := Tensor{Name: string(rune('a' + i)), Datatype: x.Datatype, Shape: append([]int64{rows}, x.Shape...)}
				for range rows {
					y.Data = append(y.Data, x.Data...)
				}
				given = append(given, y)
			}
			each = append(each, given)
		}
		joined, rows, ok := Stack(each)
		if !ok {
			rt.Fatalf("could not join %v", each)
		}
		for _, x := range joined {
			if err := x.Check(); err != nil {
				rt.Fatalf("%v: %v", x, err)
			}
		}
		back, ok := Split(joined, rows)
		if !ok || !slices.EqualFunc(each, back, func(a, b []Tensor) bool { return slices.EqualFunc(a, b, same) }) {
			rt.Fatalf("joined %v, cut into %v", each, back)
		}
	})
}

func TestWhatCannotShareARun(t *testing.T) {
	x := func(name string, shape ...int64) Tensor {
		n, err := Elements(shape)
		if err != nil {
			t.Fatal(err)
		}
		return FromFloats(name, shape, make([]float32, n))
	}
	for name, each := range map[string][][]Tensor{
		"none":               nil,
		"no inputs":          {{}, {}},
		"a single number":    {{x("x")}, {x("x")}},
		"no rows":            {{x("x", 0, 2)}, {x("x", 1, 2)}},
		"another width":      {{x("x", 1, 2)}, {x("x", 1, 3)}},
		"another rank":       {{x("x", 1, 2)}, {x("x", 1, 2, 1)}},
		"another name":       {{x("x", 1, 2)}, {x("y", 1, 2)}},
		"another type":       {{x("x", 1, 2)}, {{Name: "x", Datatype: Int32, Shape: []int64{1, 2}, Data: make([]byte, 8)}}},
		"rows that disagree": {{x("x", 1, 2), x("y", 2, 2)}, {x("x", 1, 2), x("y", 2, 2)}},
		"one input more":     {{x("x", 1, 2)}, {x("x", 1, 2), x("y", 1, 2)}},
	} {
		if joined, _, ok := Stack(each); ok {
			t.Errorf("%s: joined to %v", name, joined)
		}
	}
	for name, outputs := range map[string][]Tensor{"a single number": {x("y")}, "other rows": {x("y", 3, 2)}} {
		if each, ok := Split(outputs, []int64{1, 1}); ok {
			t.Errorf("%s: cut into %v", name, each)
		}
	}
}
