package inference

import (
	"encoding/json"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestFunctionName(t *testing.T) {
	if got := FunctionName("cnn-small", 1769); got != "inference-cnn-small-1769" {
		t.Errorf("got %s", got)
	}
}

// The wire form is a contract between binaries that deploy apart.
func TestWireForm(t *testing.T) {
	for want, v := range map[string]any{
		`{"model":"m","input":{"content_type":"image/png","data":"AQI="}}`: Request{Model: "m", Input: query.Input{ContentType: "image/png", Data: []byte{1, 2}}},
		`{"model":"m","input":{"content_type":""},"all_scores":true}`:      Request{Model: "m", AllScores: true},
		`{"index":1,"label":"b","top":[{"index":1,"label":"b","score":0.75}],"compute_ms":2.5}`: Response{Index: 1, Label: "b",
			Top: []query.Score{{Index: 1, Label: "b", Score: 0.75}}, ComputeMS: 2.5},
		`{"index":1,"label":"b","scores":[0.25,0.75],"compute_ms":2.5}`:                        Response{Index: 1, Label: "b", Scores: []float32{0.25, 0.75}, ComputeMS: 2.5},
		`{"index":0,"label":"","compute_ms":0,"error":{"code":"bad_input","detail":"broken"}}`: Response{Error: &query.Failure{Code: query.BadInput, Detail: "broken"}},
	} {
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("got %s, want %s, error %v", got, want, err)
		}
	}
}
