package inference

import "github.com/paragon-serving/paragon/shared/core/query"

// Reason says why functions did not end a query.
type Reason string

// The reasons, with what may be done next.
const (
	Off        Reason = "off"         // overflow is switched off: nothing was tried
	NoFunction Reason = "no_function" // no function runs the model, or takes an input of this size
	NoInput    Reason = "no_input"    // the upload cannot be had now: nothing was tried
	Throttled  Reason = "throttled"   // every function refused it: nothing ran
	Fault      Reason = "fault"       // functions ran and failed, and it may still be tried elsewhere
	// InDoubt: it may have run, or may run still, and its answer is lost. It was
	// charged; no other invocation may be made for it.
	InDoubt Reason = "in_doubt"
)

// Invoked is what came of taking a query to the functions.
type Invoked struct {
	// Outcome is how the query ended: succeeded or failed. Nil when it did not.
	Outcome  *query.Outcome
	Thrown   Reason  // why it did not end; empty when it did
	Why      string  // the same in words, with the function's name
	Attempts int     // runs of the query that failed so far, those that the message counts included
	CostUSD  float64 // of the invocations made; one in doubt at its expected price
	// BadInput says that the fault of a version on trial was that it cannot run on the
	// input, which may be the input's fault or its own.
	BadInput bool
}

// Failure is why functions did not answer.
func (v Invoked) Failure() query.Failure {
	f := query.Failure{Code: query.ModelFault, Detail: v.Why}
	if v.BadInput {
		f.Code = query.BadInput
	}
	return f
}

// Unanswerable says that the query has not ended and no function of its model answers it.
func (v Invoked) Unanswerable() bool {
	return v.Outcome == nil && (v.Thrown == Fault || v.Thrown == NoFunction)
}

// After returns the invocations with the cost of earlier ones of the same query.
func (v Invoked) After(earlier Invoked) Invoked {
	v.CostUSD += earlier.CostUSD
	if v.Outcome != nil {
		v.Outcome.CostUSD = v.CostUSD
	}
	return v
}
