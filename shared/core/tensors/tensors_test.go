package tensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anyTensor draws a tensor of any datatype and rank; its floating-point numbers
// are any bits, NaN included.
func anyTensor(t *rapid.T) Tensor {
	types := []Datatype{Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, FP16, BF16, FP32, FP64, Bytes}
	d := rapid.SampledFrom(types).Draw(t, "datatype")
	shape := rapid.SliceOfN(rapid.Int64Range(0, 4), 0, 4).Draw(t, "shape")
	n, err := Elements(shape)
	if err != nil {
		t.Fatal(err)
	}
	x := Tensor{Name: rapid.String().Draw(t, "name"), Datatype: d, Shape: shape, Data: []byte{}}
	switch d {
	case Bytes:
		for range n {
			x.Data = AppendString(x.Data, rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		}
	case Bool:
		x.Data = rapid.SliceOfN(rapid.ByteRange(0, 1), n, n).Draw(t, "bools")
	default:
		x.Data = rapid.SliceOfN(rapid.Byte(), n*d.Size(), n*d.Size()).Draw(t, "data")
	}
	return x
}

func same(a, b Tensor) bool {
	return a.Name == b.Name && a.Datatype == b.Datatype && slices.Equal(a.Shape, b.Shape) && bytes.Equal(a.Data, b.Data)
}

// Every tensor goes through bytes and through JSON unchanged, to the bit.
func TestTensorsComeBackAsTheyWent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ts := rapid.SliceOfN(rapid.Custom(anyTensor), 0, 4).Draw(rt, "tensors")
		back, err := Unpack(Pack(ts))
		if err != nil || !slices.EqualFunc(ts, back, same) {
			rt.Fatalf("packed %v, got %v, %v", ts, back, err)
		}
		for _, x := range ts {
			x.Name = strings.ToValidUTF8(x.Name, "")
			raw, err := json.Marshal(x)
			if err != nil {
				rt.Fatal(err)
			}
			var y Tensor
			if err := json.Unmarshal(raw, &y); err != nil || !same(x, y) {
				rt.Fatalf("wrote %v as %s, read %v, %v", x, raw, y, err)
			}
		}
	})
}

// Whatever bytes are unpacked, what comes out is whole.
func TestUnpackNeverBelieves(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		packed := Pack(rapid.SliceOfN(rapid.Custom(anyTensor), 0, 3).Draw(rt, "tensors"))
		for range rapid.IntRange(0, 4).Draw(rt, "changes") {
			packed[rapid.IntRange(0, len(packed)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
		}
		packed = packed[:rapid.IntRange(0, len(packed)).Draw(rt, "length")]
		ts, err := Unpack(packed)
		for _, x := range ts {
			if err == nil && x.Check() != nil {
				rt.Fatalf("took %v", x)
			}
		}
	})
}

func TestHalvesAreExact(t *testing.T) {
	for h := range 1 << 16 {
		x := fromHalf(uint16(h))
		if math.IsNaN(float64(x)) {
			continue
		}
		if got := toHalf(x); got != uint16(h) {
			t.Fatalf("half %#x is %v, back %#x", h, x, got)
		}
		if h&0x7c00 == 0x7c00 || h&0x7fff == 0x7bff {
			continue
		}
		// Between two neighbors the even one wins.
		middle := (x + fromHalf(uint16(h+1))) / 2
		want := uint16(h) + uint16(h)&1
		if got := toHalf(middle); got != want {
			t.Fatalf("between %#x and its neighbour: %#x, want %#x", h, got, want)
		}
	}
}

func TestParsingRefusesWhatADatatypeCannotHold(t *testing.T) {
	for _, tc := range []struct {
		data  string
		d     Datatype
		shape []int64
		want  string // of the error; empty for none
	}{
		{`[[1,2],[3,4]]`, FP32, []int64{2, 2}, ""},
		{`[1,2,3,4]`, Int8, []int64{2, 2}, ""},
		{`[7]`, Int64, nil, ""},
		{`[true,false,1,0]`, Bool, []int64{4}, ""},
		{`["a","b]"]`, Bytes, []int64{2}, ""},
		{`[18446744073709551615]`, Uint64, []int64{1}, ""},
		{`[]`, FP32, []int64{0, 3}, ""},
		{`[256]`, Uint8, []int64{1}, "element 0"},
		{`[0,-1]`, Uint16, []int64{2}, "element 1"},
		{`[1.5]`, Int32, []int64{1}, "element 0"},
		{`[2]`, Bool, []int64{1}, "neither"},
		{`[1]`, Bytes, []int64{1}, "not a string"},
		{`["1"]`, FP32, []int64{1}, "element 0"},
		{`[1e40]`, FP32, []int64{1}, "element 0"},
		{`[1,2]`, FP32, []int64{3}, "has 2 elements"},
		{`[1,2]`, FP32, []int64{1}, "one element more"},
		{`[[1],[2,3]]`, FP32, []int64{2, 2}, "nested"},
		{`[[[1]]]`, FP32, []int64{1, 1}, "deeper"},
		{`1`, FP32, []int64{1}, "not nested"},
	} {
		_, err := ParseData(json.RawMessage(tc.data), tc.d, tc.shape)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s as %s %v: %v, want %q", tc.data, tc.d, tc.shape, err, tc.want)
		}
	}
}

func TestNothingIsConvertedToFit(t *testing.T) {
	x := Spec{"X", FP32, []int64{-1, 2}}
	y := Spec{"y", Bytes, []int64{}}
	good := FromFloats("X", []int64{3, 2}, make([]float32, 6))
	text := Tensor{"y", Bytes, nil, AppendString(nil, "text")}
	for _, tc := range []struct {
		name  string
		given []Tensor
		want  []Spec
		miss  Misfit // without its reason
	}{
		{"missing", []Tensor{good}, []Spec{x, y}, Misfit{Index: -1, Name: "y", Part: "name"}},
		{"unknown", []Tensor{good, text}, []Spec{x}, Misfit{Index: 1, Name: "y", Part: "name"}},
		{"twice", []Tensor{good, good}, []Spec{x}, Misfit{Index: 1, Name: "X", Part: "name"}},
		{"another datatype", []Tensor{{"X", Uint8, []int64{3, 2}, make([]byte, 6)}}, []Spec{x}, Misfit{Name: "X", Part: "datatype"}},
		{"another size", []Tensor{FromFloats("X", []int64{2, 3}, make([]float32, 6))}, []Spec{x}, Misfit{Name: "X", Part: "shape"}},
		{"another rank", []Tensor{FromFloats("X", []int64{2}, make([]float32, 2))}, []Spec{x}, Misfit{Name: "X", Part: "shape"}},
		{"too little data", []Tensor{FromFloats("X", []int64{2, 2}, make([]float32, 3))}, []Spec{x}, Misfit{Name: "X", Part: "data"}},
		{"no bool", []Tensor{{"b", Bool, []int64{1}, []byte{2}}}, []Spec{{"b", Bool, []int64{1}}}, Misfit{Name: "b", Part: "data"}},
	} {
		err := Fit(tc.given, tc.want)
		got, ok := errors.AsType[*Misfit](err)
		if !ok || got.Index != tc.miss.Index || got.Name != tc.miss.Name || got.Part != tc.miss.Part {
			t.Errorf("%s: %v, want %+v", tc.name, err, tc.miss)
		}
	}
	if err := Fit([]Tensor{text, good}, []Spec{x, y}); err != nil {
		t.Errorf("what fits: %v", err)
	}
}

func TestCommonLeavesOpenWhatDiffers(t *testing.T) {
	a := []Spec{{"X", FP32, []int64{-1, 4}}}
	got, err := Common(a, []Spec{{"X", FP32, []int64{1, 4}}})
	if err != nil || !slices.Equal(got[0].Shape, []int64{-1, 4}) {
		t.Errorf("common %v, %v", got, err)
	}
	for _, b := range [][]Spec{{{"X", FP32, []int64{-1, 5}}}, {{"X", FP64, []int64{-1, 4}}}, {{"Y", FP32, []int64{-1, 4}}}, {{"X", FP32, []int64{4}}}, nil} {
		if got, err := Common(a, b); err == nil {
			t.Errorf("%v and %v have %v in common", a, b, got)
		}
	}
}
