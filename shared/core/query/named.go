package query

import (
	"slices"

	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// NewTensorResult is the answer of a task that gives all of its model's outputs.
func NewTensorResult(outputs []tensors.Tensor) Result { return Result{Outputs: outputs} }

// NewRowsResult is the answer to an input of many rows: the classes of each, the
// first row's as of an input alone. scores holds a row for each.
func NewRowsResult(scores [][]float32, labels []string) Result {
	var out Result
	for i, row := range scores {
		r := NewResult(row, labels)
		if i == 0 {
			out = Result{Label: r.Label, Index: r.Index, Top: r.Top}
		}
		if len(scores) > 1 {
			out.Rows = append(out.Rows, Row{r.Label, r.Index, r.Top})
		}
	}
	return out
}

// Row is the answer to one row of an input.
type Row struct {
	Label string  `json:"label"`
	Index int     `json:"index"`
	Top   []Score `json:"top"`
}

// trimNamed leaves out the outputs of an answer that is classes or a vector,
// unless all scores are asked for: they hold what the answer is read from.
func (r Result) trimNamed() Result {
	if len(r.Top) > 0 || len(r.Embedding) > 0 {
		r.Outputs = nil
	}
	return r
}

// Equal says whether two answers are the same, to the bit.
func (r Result) Equal(o Result) bool {
	sameRow := func(a, b Row) bool { return a.Label == b.Label && a.Index == b.Index && slices.Equal(a.Top, b.Top) }
	sameTensor := func(a, b tensors.Tensor) bool {
		return a.Name == b.Name && a.Datatype == b.Datatype && slices.Equal(a.Shape, b.Shape) && slices.Equal(a.Data, b.Data)
	}
	return r.Label == o.Label && r.Index == o.Index && slices.Equal(r.Top, o.Top) && slices.Equal(r.Scores, o.Scores) &&
		slices.Equal(r.Embedding, o.Embedding) && slices.EqualFunc(r.Rows, o.Rows, sameRow) && slices.EqualFunc(r.Outputs, o.Outputs, sameTensor)
}
