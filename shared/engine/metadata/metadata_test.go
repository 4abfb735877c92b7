package metadata

import (
	"bytes"
	"slices"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/engine/enginetest"
)

// A value is found under its key, among others, and the last that was put counts.
func TestWhatIsPutIsFound(t *testing.T) {
	onnx := enginetest.Affine(1, 0, -1, 4)
	if got, err := Get(onnx, "a"); got != nil || err != nil {
		t.Fatalf("nothing was put: %q, %v", got, err)
	}
	for _, put := range [][2]string{{"a", "first"}, {"b", "other"}, {"a", "second"}} {
		var err error
		if onnx, err = Put(onnx, put[0], []byte(put[1])); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]string{"a": "second", "b": "other"} {
		if got, err := Get(onnx, key); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
	if bytes.Contains(onnx, []byte("first")) {
		t.Error("the replaced value is still there")
	}
}

func TestSamplesComeBack(t *testing.T) {
	onnx := enginetest.Affine(1, 0, -1, 4)
	if got, err := Sample(onnx); got != nil || err != nil {
		t.Fatalf("of a file without: %v, %v", got, err)
	}
	x := tensors.FromFloats("x", []int64{1, 4}, []float32{1, 2, 3, 4})
	with, err := PutSample(onnx, []tensors.Tensor{x})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Sample(with)
	if err != nil || len(got) != 1 || got[0].Name != "x" || !slices.Equal(got[0].Shape, x.Shape) || !bytes.Equal(got[0].Data, x.Data) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"!", "AAAA"} {
		broken, err := Put(onnx, sampleKey, []byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Sample(broken); err == nil {
			t.Errorf("%q is the sample %v", bad, got)
		}
	}
}
