package httpapi

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
	"github.com/paragon-serving/paragon/shared/intake"
)

// oipAnswer is the JSON of an inference answer.
type oipAnswer struct {
	ModelName    string          `json:"model_name"`
	ModelVersion string          `json:"model_version"`
	ID           string          `json:"id"`
	Parameters   inferParameters `json:"parameters"`
	Outputs      []oipOutput     `json:"outputs"`
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
func (a *server) writeInfer(w http.ResponseWriter, c inferCall, name string, answers []intake.Answer) error {
	out := oipAnswer{ModelName: name, ModelVersion: versionOf(name, answers[0].Record.Model), ID: c.id, Parameters: parametersOf(answers)}
	out.Parameters.Ignored = strings.Join(c.ignored, ",")
	if out.ID == "" {
		out.ID = answers[0].Record.ID
	}
	results := make([]query.Result, len(answers))
	for i, got := range answers {
		results[i] = *got.Record.Outcome.Result
	}
	var tail []byte
	for _, want := range c.wanted() {
		o, data, err := c.output(want, results)
		if want.top > 0 {
			o, data = classification(want.name, results, a.labelsOf(answers[0].Record), want.top)
		}
		if err != nil {
			return err
		}
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
		return fmt.Errorf("encode the answer of query %s: %w", answers[0].Record.ID, err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set(headerLength, strconv.Itoa(len(head)))
	sendWhole(w, http.StatusOK, append(head, tail...))
	return nil
}

// appendText appends an element of a BYTES tensor: its length in four bytes,
// little-endian, then the text.
func appendText(to []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(to, uint32(len(text))), text...)
}

// output is one output tensor of a batch, with its data for JSON and as bytes.
func output(name string, results []query.Result) (oipOutput, []byte) {
	n := int64(len(results))
	var data []byte
	switch name {
	case labelName:
		labels := make([]string, n)
		for i, r := range results {
			labels[i] = r.Label
			data = appendText(data, r.Label)
		}
		return oipOutput{Name: name, Shape: []int64{n}, Datatype: bytesType, Data: labels}, data
	case indexName:
		indexes := make([]int, n)
		for i, r := range results {
			indexes[i] = r.Index
			data = binary.LittleEndian.AppendUint64(data, uint64(r.Index))
		}
		return oipOutput{Name: name, Shape: []int64{n}, Datatype: "INT64", Data: indexes}, data
	}
	scores := results[0].Scores
	if n > 1 {
		scores = nil
		for _, r := range results {
			scores = append(scores, r.Scores...)
		}
	}
	return oipOutput{Name: scoresName, Shape: []int64{n, int64(len(scores)) / n}, Datatype: "FP32", Data: scores}, float32Bytes(scores)
}

// float32Bytes are numbers as little-endian float32.
func float32Bytes(values []float32) []byte {
	return tensors.FromFloats(scoresName, nil, values).Data
}
