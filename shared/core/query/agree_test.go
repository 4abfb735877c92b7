package query

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

func TestResultsAgree(t *testing.T) {
	classes := func(scores ...float32) Result { return NewResult(scores, []string{"ham", "spam"}) }
	rows := func(index ...int) (r Result) {
		for _, i := range index {
			r.Rows = append(r.Rows, Row{Index: i})
		}
		return r
	}
	vector := func(v ...float32) Result { return Result{Embedding: v} }
	outputs := func(v ...float32) Result {
		return Result{Outputs: []tensors.Tensor{tensors.FromFloats("y", []int64{int64(len(v))}, v)}}
	}
	whole := func(v byte) Result {
		return Result{Outputs: []tensors.Tensor{{Name: "y", Datatype: "UINT8", Shape: []int64{1}, Data: []byte{v}}}}
	}
	for _, tc := range []struct {
		name string
		a, b Result
		want bool
	}{
		{"the same class with other scores", classes(0.2, 0.8), classes(0.4, 0.6), true},
		{"another class", classes(0.2, 0.8), classes(0.6, 0.4), false},
		{"the same class of each row", rows(1, 0), rows(1, 0), true},
		{"another class of a row", rows(1, 0), rows(1, 1), false},
		{"fewer rows", rows(1, 0), rows(1), false},
		{"about the same direction", vector(1, 0), vector(3, 0.1), true},
		{"another direction", vector(1, 0), vector(1, 0.2), false},
		{"a vector of zeros", vector(0, 0), vector(0, 0), false},
		{"vectors of two lengths", vector(1, 0), vector(1, 0, 0), false},
		{"about the same numbers", outputs(100, 0), outputs(100.9, 0.0009), true},
		{"a number apart", outputs(100, 0), outputs(102, 0), false},
		{"a number apart near zero", outputs(100, 0), outputs(100, 0.002), false},
		{"outputs of two shapes", outputs(1), outputs(1, 1), false},
		{"the same whole number", whole(7), whole(7), true},
		{"another whole number", whole(7), whole(8), false},
		{"a vector and a class", vector(1, 0), classes(0.2, 0.8), false},
	} {
		if got := tc.a.Agrees(tc.b); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
