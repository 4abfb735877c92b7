package httpapi

import (
	"encoding/binary"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/intake"
)

// refusedOrTaken holds that a decoder either takes what it read or refuses it
// with a kind that has a status.
func refusedOrTaken(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var r *intake.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("%T is no refusal: %v", err, err)
	}
	if k := kinds[r.Kind]; k.status < http.StatusBadRequest || k.status >= http.StatusInternalServerError {
		t.Fatalf("kind %s has status %d", r.Kind, k.status)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, c := range refusals(f) {
		if len(c.body) < 4096 {
			f.Add([]byte(c.body))
		}
	}
	f.Add([]byte(asking(f, `,"optimize":{"cost":1},"constraints":{"latency_ms":5}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := decodeRequest(body)
		refusedOrTaken(t, err)
	})
}

func FuzzRequestFromURL(f *testing.F) {
	f.Add("task=fashion&latency_ms=5&optimize=cost")
	f.Add("latency_ms=NaN&x=%zz;")
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := requestFromURL(raw)
		refusedOrTaken(t, err)
	})
}

func FuzzDecodeInfer(f *testing.F) {
	head := `{"id":"1","parameters":{"latency_ms":5,"binary_data_output":true},"inputs":[{"name":"input","datatype":"FP32",` + shape
	f.Add([]byte(head+`,"data":`+sixteen()+`}],"outputs":[{"name":"scores","parameters":{"binary_data":true}}]}`), []byte{})
	f.Add([]byte(head+`,"parameters":{"binary_data_size":64}}]}`), make([]byte, 64))
	f.Add([]byte(`{"inputs":[{"name":"input","datatype":"BYTES","shape":[1],"data":["iVBORw=="]}]}`), []byte{})
	f.Add([]byte(`{"inputs":[{"name":"input","datatype":"INT8","shape":[2,2],"data":[[1,true],[-3,4]]}]}`), []byte{})
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		names := tensorNames{inputName, scoresName}
		c, err := decodeInfer(head, tail, names, profile.Picture, []string{scoresName, labelName, indexName})
		refusedOrTaken(t, err)
		if err != nil {
			return
		}
		items, err := c.input.queries([]int64{1, -1, -1, -1})
		refusedOrTaken(t, err)
		if err != nil {
			return
		}
		n := 0
		for _, in := range items {
			n += len(in.Data)
		}
		if c.input.datatype != bytesType && (n != len(c.input.raw) || int64(len(items)) != c.input.shape[0]) {
			t.Fatalf("%d bytes of shape %v became %d of %d items", len(c.input.raw), c.input.shape, n, len(items))
		}
	})
}

// The binary extension and JSON carry the same numbers.
func FuzzBinaryEqualsJSON(f *testing.F) {
	f.Add(uint32(0x3f000000), uint32(1))
	f.Fuzz(func(t *testing.T, a, b uint32) {
		x, y := math.Float32frombits(a), math.Float32frombits(b)
		if x != x || y != y || math.IsInf(float64(x), 0) || math.IsInf(float64(y), 0) {
			return
		}
		var in oipInput
		in.datatype, in.shape = "FP32", []int64{2}
		if err := in.fromBinary(floats(x, y), 2); err != nil {
			t.Fatal(err)
		}
		out := in.rawTensors()
		if len(out) != 2 || binary.LittleEndian.Uint32(out[0].Data) != a || binary.LittleEndian.Uint32(out[1].Data) != b {
			t.Fatalf("%x %x became %+v", a, b, out)
		}
	})
}

// A parameter that there is not is refused with those that there are.
func TestAnUnknownParameterNamesTheKnown(t *testing.T) {
	if _, err := requestFromURL("latncy_ms=5"); err == nil || !strings.Contains(err.Error(), "accuracy, all_scores, callback, class") {
		t.Error(err)
	}
}
