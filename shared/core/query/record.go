package query

import (
	"fmt"
	"time"
)

// State is where a query stands.
type State string

// The states of a query. An accepted one has no record yet; the record that
// ends it is its only one.
const (
	Accepted  State = "accepted"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Expired   State = "expired"
	Cancelled State = "cancelled"
)

// Terminal reports whether a state is final.
func (s State) Terminal() bool {
	return s == Succeeded || s == Failed || s == Expired || s == Cancelled
}

// RunnerKind says what answered a query.
type RunnerKind string

// The two kinds of resource that answer queries.
const (
	OnWorker   RunnerKind = "worker"
	OnFunction RunnerKind = "function"
)

// Runner names the resource that answered a query.
type Runner struct {
	Kind     RunnerKind `json:"kind"`
	Name     string     `json:"name"` // worker id or function name
	Resource string     `json:"resource,omitempty"`
	MemoryMB int        `json:"memory_mb,omitempty"`
	Paced    bool       `json:"paced,omitempty"` // paced by its profile's service time
	Cold     bool       `json:"cold,omitempty"`  // paid a cold start
}

// FailureCode says why a query ended without an answer. Codes are part of the
// API: programs switch on them.
type FailureCode string

// Every failure code.
const (
	BadInput    FailureCode = "bad_input"    // the input cannot be decoded for the model
	TooOften    FailureCode = "max_attempts" // every attempt failed
	NoCapacity  FailureCode = "no_capacity"  // throttled everywhere
	ModelFault  FailureCode = "model_fault"  // the model cannot be loaded or run
	TimedOut    FailureCode = "expired"      // not answered before it expired
	CallerGone  FailureCode = "cancelled"    // the caller cancelled it
	InputIsGone FailureCode = "input_gone"   // the upload is missing or unreadable
)

// Callers reports whether a failure is the caller's to mend: no other run gives an answer,
// and nobody who runs the stage has anything to do about it.
func (c FailureCode) Callers() bool { return c == BadInput || c == InputIsGone }

// Failure is why a query ended without an answer.
type Failure struct {
	Code   FailureCode `json:"code"`
	Detail string      `json:"detail"`
}

// Outcome is the terminal write of a query.
type Outcome struct {
	State       State     `json:"state"`
	FinishedAt  time.Time `json:"finished_at"`
	StartedAt   time.Time `json:"started_at,omitzero"`
	RanOn       Runner    `json:"ran_on,omitzero"`
	Result      *Result   `json:"result,omitempty"`
	Failure     *Failure  `json:"failure,omitempty"`
	ComputeMS   float64   `json:"compute_ms,omitempty"` // preprocessing and inference, paced if RanOn.Paced
	ColdStartMS float64   `json:"cold_start_ms,omitempty"`
	Batch       int       `json:"batch,omitempty"` // queries answered by the same inference, when more than this one
	CostUSD     float64   `json:"cost_usd,omitempty"`
	Attempts    int       `json:"attempts,omitempty"`
	Trail       Trail     `json:"trail,omitempty"`
	// PredictedMS is after what time a worker said that it would answer, when it
	// admitted a query that is held in its request; it goes into the record.
	PredictedMS float64 `json:"-"`
}

// Record is a query as the store keeps it. The input is not part of it: it
// rides in the message.
type Record struct {
	ID          string    `json:"id"`
	Owner       string    `json:"owner"`
	BodyHash    string    `json:"body_hash,omitempty"` // set with an idempotency key: another body under the same key is refused
	State       State     `json:"state"`
	Need        Need      `json:"need"`
	Model       string    `json:"model"`
	Class       Class     `json:"class"`
	AcceptedAt  time.Time `json:"accepted_at"`
	DeadlineAt  time.Time `json:"deadline_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	ForgetAt    time.Time `json:"forget_at"`              // the record and its key may be deleted after this
	Placement   string    `json:"placement"`              // the queue it was sent to first
	PredictedMS float64   `json:"predicted_ms,omitempty"` // latency predicted when it was placed; 0 if no worker was ready
	Choice      string    `json:"choice,omitempty"`       // why this model and resource, in a sentence
	RetryOf     string    `json:"retry_of,omitempty"`     // the query that this one asks again
	Outcome     *Outcome  `json:"outcome,omitempty"`
	Trail       Trail     `json:"trail,omitempty"`
	Callback    string    `json:"callback,omitempty"` // the address that is called with its end
}

// Message is what travels for a record: the record's own facts and the input,
// so that a repeat sends the very same again.
func (r Record) Message(in Input) Message {
	return Message{
		ID: r.ID, Owner: r.Owner, Task: r.Need.Task, Model: r.Model, Class: r.Class,
		AcceptedAt: r.AcceptedAt, DeadlineAt: r.DeadlineAt, ExpiresAt: r.ExpiresAt,
		Input: in, Trail: r.Trail,
	}
}

// Unanswered is the outcome of a query that expired at one time without an answer, which
// is seen at another.
func Unanswered(acceptedAt, expiresAt, now time.Time) Outcome {
	return Outcome{State: Expired, FinishedAt: now, Failure: &Failure{Code: TimedOut,
		Detail: fmt.Sprintf("not answered within %.0f s", expiresAt.Sub(acceptedAt).Seconds())}}
}

// Met reports whether a finished query kept its bound: it succeeded no later
// than its deadline.
func (r Record) Met() bool {
	return r.State == Succeeded && r.Outcome != nil && !r.Outcome.FinishedAt.After(r.DeadlineAt)
}
