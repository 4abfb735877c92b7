package httpapi

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"paragon/shared/core/query"
)

// oipAnswer is the JSON of an inference answer.
type oipAnswer struct {
	ModelName  string          `json:"model_name"`
	ID         string          `json:"id"`
	Parameters inferParameters `json:"parameters"`
	Outputs    []oipOutput     `json:"outputs"`
}

type oipOutput struct {
	Name       string            `json:"name"`
	Shape      []int64           `json:"shape"`
	Datatype   string            `json:"datatype"`
	Parameters *binaryParameters `json:"parameters,omitempty"` // with binary data
	Data       any               `json:"data,omitempty"`       // otherwise
}

type binaryParameters struct {
	Size int `json:"binary_data_size"`
}

// writeInfer answers an inference with the outputs that were asked for, each
// as JSON or as bytes behind it.
func (a *server) writeInfer(w http.ResponseWriter, c inferCall, name string, rec query.Record) error {
	out := oipAnswer{ModelName: name, ID: c.id, Parameters: parametersOf(rec)}
	if out.ID == "" {
		out.ID = rec.ID
	}
	wanted := c.outputs
	if len(wanted) == 0 {
		wanted = []oipWanted{{name: scoresName}, {name: labelName}, {name: indexName}}
	}
	var tail []byte
	for _, want := range wanted {
		o, data := output(want.name, *rec.Outcome.Result)
		if want.binary == nil && c.binaryDefault || want.binary != nil && *want.binary {
			o.Data, o.Parameters = nil, &binaryParameters{len(data)}
			tail = append(tail, data...)
		}
		out.Outputs = append(out.Outputs, o)
	}
	if tail == nil {
		a.write(w, http.StatusOK, out)
		return nil
	}
	head, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode the answer of query %s: %w", rec.ID, err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set(headerLength, strconv.Itoa(len(head)))
	_, _ = w.Write(append(head, tail...)) // a caller that went away cannot be told
	return nil
}

// output is one output tensor, with its data for JSON and as bytes.
func output(name string, r query.Result) (oipOutput, []byte) {
	switch name {
	case labelName:
		data := binary.LittleEndian.AppendUint32(nil, uint32(len(r.Label)))
		return oipOutput{Name: name, Shape: []int64{1}, Datatype: bytesType, Data: []string{r.Label}}, append(data, r.Label...)
	case indexName:
		data := binary.LittleEndian.AppendUint64(nil, uint64(r.Index))
		return oipOutput{Name: name, Shape: []int64{1}, Datatype: "INT64", Data: []int{r.Index}}, data
	}
	var data []byte
	for _, s := range r.Scores {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(s))
	}
	return oipOutput{Name: scoresName, Shape: []int64{1, int64(len(r.Scores))}, Datatype: "FP32", Data: r.Scores}, data
}
