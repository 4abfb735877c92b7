package httpapi

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake"
)

// tabular is a task whose models take and give tensors.
func tabular() []api.Model {
	spec := func(name string, d tensors.Datatype, shape ...int64) tensors.Spec {
		return tensors.Spec{Name: name, Datatype: d, Shape: shape}
	}
	outputs := []tensors.Spec{spec("label", tensors.Bytes, -1), spec("scores", tensors.FP32, -1, 2)}
	of := func(rows int64) api.Model {
		return api.Model{Task: "own", Kind: profile.Classify, Takes: profile.TensorsIn, Signature: &profile.Signature{
			Inputs: []tensors.Spec{spec("X", tensors.FP32, rows, 2), spec("flag", tensors.Bool)}, Outputs: outputs, Answer: "scores"}}
	}
	return []api.Model{of(-1), of(-1)}
}

const (
	rowX = `{"name":"X","datatype":"FP32","shape":[2,2],"data":[[1,2],[3,4]]}`
	flat = `{"name":"flag","datatype":"BOOL","shape":[],"data":[true]}`
)

func TestTensorsAreTakenByName(t *testing.T) {
	binaryX := `{"name":"X","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}}`
	for name, tc := range map[string]struct {
		head string
		tail []byte
	}{
		"JSON":   {`{"inputs":[` + flat + `,` + rowX + `]}`, nil},
		"binary": {`{"inputs":[` + flat + `,` + binaryX + `]}`, floats(1, 2, 3, 4)},
	} {
		_, inputs, err := callFor(tabular(), []byte(tc.head), tc.tail)
		if err != nil || len(inputs) != 1 {
			t.Fatalf("%s: %v, %v", name, inputs, err)
		}
		ts, err := tensors.Unpack(inputs[0].Data)
		x, _ := tensors.Find(ts, "X")
		if values, _ := x.Floats(); err != nil || !slices.Equal(values, []float32{1, 2, 3, 4}) {
			t.Errorf("%s: %v, %v", name, ts, err)
		}
	}
}

// What does not fit is refused with the input's name, and never converted.
func TestInputsThatDoNotFit(t *testing.T) {
	for name, tc := range map[string]struct {
		head, field, says string
		tail              []byte
	}{
		"another datatype":    {`{"inputs":[` + flat + `,` + strings.Replace(rowX, "FP32", "UINT8", 1) + `]}`, "inputs[1].datatype", `"X"`, nil},
		"no datatype":         {`{"inputs":[` + strings.Replace(rowX, "FP32", "FLOAT", 1) + `]}`, "inputs[0].datatype", "FLOAT", nil},
		"another shape":       {`{"inputs":[{"name":"X","datatype":"FP32","shape":[1,3],"data":[1,2,3]},` + flat + `]}`, "inputs[0].shape", "[any, 2]", nil},
		"data of another":     {`{"inputs":[{"name":"X","datatype":"FP32","shape":[1,2],"data":[1,2,3]}]}`, "inputs[0].data", `"X"`, nil},
		"a missing input":     {`{"inputs":[` + rowX + `]}`, "inputs", `"flag"`, nil},
		"an unknown input":    {`{"inputs":[` + rowX + `,` + flat + `,` + strings.Replace(rowX, `"X"`, `"Y"`, 1) + `]}`, "inputs[2].name", `"Y"`, nil},
		"one twice":           {`{"inputs":[` + rowX + `,` + rowX + `,` + flat + `]}`, "inputs[1].name", "twice", nil},
		"bytes too few":       {`{"inputs":[{"name":"X","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":16}}]}`, "inputs[0].parameters.binary_data_size", "8 bytes", floats(1, 2)},
		"bytes of another":    {`{"inputs":[{"name":"X","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":4}}]}`, "inputs[0].data", "needs 8", floats(1)},
		"bytes left over":     {`{"inputs":[` + rowX + `,` + flat + `]}`, "inputs", "4 bytes", floats(1)},
		"an unknown output":   {`{"inputs":[` + rowX + `,` + flat + `],"outputs":[{"name":"index"}]}`, "outputs", "index", nil},
		"a number for a bool": {`{"inputs":[` + rowX + `,` + strings.Replace(flat, "true", "2", 1) + `]}`, "inputs[1].data", `"flag"`, nil},
	} {
		_, _, err := callFor(tabular(), []byte(tc.head), tc.tail)
		ref, ok := errors.AsType[*intake.Refusal](err)
		if !ok || ref.Kind != intake.BadInput || ref.Field != tc.field || !strings.Contains(ref.Detail, tc.says) {
			t.Errorf("%s: %v, want %s and %q", name, err, tc.field, tc.says)
		}
	}
}

// Outputs are given under the model's names, as JSON or as bytes; numbers that JSON
// has no words for as bytes alone.
func TestOutputsByName(t *testing.T) {
	result := []query.Result{{Outputs: []tensors.Tensor{
		{Name: "label", Datatype: tensors.Bytes, Shape: []int64{1}, Data: tensors.AppendString(nil, "yes")},
		tensors.FromFloats("scores", []int64{1, 2}, []float32{float32(math.NaN()), 1}),
	}}}
	c := inferCall{own: []string{"label", "scores"}}
	if got := c.wanted(); len(got) != 2 || got[0].name != "label" {
		t.Errorf("by default %v", got)
	}
	o, data, err := c.output(oipWanted{name: "label"}, result)
	if raw, ok := o.Data.(json.RawMessage); err != nil || !ok || string(raw) != `["yes"]` || data != nil {
		t.Errorf("label: %+v, %v", o, err)
	}
	binary := true
	if _, _, err := c.output(oipWanted{name: "scores"}, result); err == nil {
		t.Error("NaN is given as JSON")
	}
	o, data, err = c.output(oipWanted{name: "scores", binary: &binary}, result)
	if err != nil || len(data) != 8 || o.Datatype != "FP32" || !slices.Equal(o.Shape, []int64{1, 2}) {
		t.Errorf("scores: %+v, %v, %v", o, data, err)
	}
}
