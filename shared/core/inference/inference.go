// Package inference is the contract between the dispatcher and the inference
// functions: a function's name, what it is asked and what it answers. A
// function answers a bad input with a typed failure and not with a fault of its
// own, so that nobody tries it again.
package inference

import (
	"fmt"
	"runtime"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tensors"
)

// FunctionName names the inference function of a model at a memory size.
func FunctionName(model string, memoryMB int) string {
	return fmt.Sprintf("inference-%s-%d", model, memoryMB)
}

// GenericName names the function of a memory size that runs any model.
func GenericName(memoryMB int) string { return fmt.Sprintf("generic-%d", memoryMB) }

// Arch is the architecture of functions that are built as this process is, in Lambda's
// words: "x86_64" or "arm64".
func Arch() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// MaxInputBytes is the largest input that a function takes: a synchronous
// invocation carries 6 MB, the input travels in base64, and the rest of the
// request needs some room.
const MaxInputBytes = 4 << 20

// Request asks a function for one answer. Its input is always inline.
type Request struct {
	Model string `json:"model"`
	// SHA256 pins the model's file, for a function that is of no model.
	SHA256 string      `json:"sha256,omitempty"`
	Input  query.Input `json:"input"`
	// AllScores asks for the score of every class.
	AllScores bool   `json:"all_scores,omitempty"`
	Trace     string `json:"trace,omitempty"` // W3C traceparent of the invocation, when it is traced
}

// Response is an answer, or the failure that no other try mends for a bad
// input and that another try may mend for a model fault.
type Response struct {
	Index  int           `json:"index"`
	Label  string        `json:"label"`
	Top    []query.Score `json:"top,omitempty"`
	Scores []float32     `json:"scores,omitempty"` // of every class, if all are asked for
	// The answers of other kinds of task, as query.Result has them.
	Rows      []query.Row      `json:"rows,omitempty"`
	Embedding []float32        `json:"embedding,omitempty"`
	Outputs   []tensors.Tensor `json:"outputs,omitempty"`
	ComputeMS float64          `json:"compute_ms"`        // preprocessing and inference
	LoadMS    float64          `json:"load_ms,omitempty"` // that the model's fetch and load took before, where it was not loaded
	Threads   int              `json:"threads,omitempty"` // of the run, where it had more than one
	Error     *query.Failure   `json:"error,omitempty"`
}

// Result returns the answer without what belongs to the call.
func (r Response) Result() query.Result {
	return query.Result{Label: r.Label, Index: r.Index, Top: r.Top, Scores: r.Scores,
		Rows: r.Rows, Embedding: r.Embedding, Outputs: r.Outputs}
}

// Answered is the response with a result.
func Answered(r query.Result, computeMS float64) Response {
	return Response{Index: r.Index, Label: r.Label, Top: r.Top, Scores: r.Scores,
		Rows: r.Rows, Embedding: r.Embedding, Outputs: r.Outputs, ComputeMS: computeMS}
}
