package httpapi

import (
	"reflect"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/intake"
)

// With a JSON body, the URL's parameters are for the fields that the body leaves out.
func TestURLParametersCompleteAJSONBody(t *testing.T) {
	five, six := 5.0, 6.0
	url := intake.Request{Task: "a", Model: "m", Class: query.Strict, Optimize: "cost", Callback: "c", Explain: true, AllScores: true,
		Bounds: intake.Bounds{LatencyMS: &five, Accuracy: &five, CostUSDPerMillion: &five}}
	for name, tc := range map[string]struct{ body, url, want intake.Request }{
		"nothing in the URL":  {url, intake.Request{}, url},
		"nothing in the body": {intake.Request{}, url, url},
		"both": {
			intake.Request{Task: "b", Model: "n", Class: query.Relaxed, Optimize: "latency", Callback: "d", Bounds: intake.Bounds{LatencyMS: &six, Accuracy: &six, CostUSDPerMillion: &six}}, url,
			intake.Request{Task: "b", Model: "n", Class: query.Relaxed, Optimize: "latency", Callback: "d", Bounds: intake.Bounds{LatencyMS: &six, Accuracy: &six, CostUSDPerMillion: &six}, Explain: true, AllScores: true},
		},
		"weights": {intake.Request{Weights: &query.Weights{Cost: 1}}, intake.Request{Optimize: "latency"}, intake.Request{Weights: &query.Weights{Cost: 1}}},
	} {
		if got := completed(tc.body, tc.url); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

// Each query of a list is completed, and what cannot be kept is refused as if the body said it.
func TestURLParametersOfAList(t *testing.T) {
	s := newStage(t)
	one := asking(t, "")
	got := s.do(t, "POST", "/v1/queries?accuracy=101", []byte("["+one+","+asking(t, `,"constraints":{"accuracy":10}`)+"]"), "Content-Type", "application/json")
	var answers struct{ Items []struct{ Status int } }
	if got.into(t, &answers); len(answers.Items) != 2 || answers.Items[0].Status != 422 || answers.Items[1].Status != 202 {
		t.Errorf("%s", got.body)
	}
	checkProblem(t, s.do(t, "POST", "/v1/queries?accuracy=101", []byte(one), "Content-Type", "application/json"), "bad-bound", 422, "constraints.accuracy")
}
