package intake

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// Kind says what is wrong with a request. Kinds are part of the API: programs
// switch on them.
type Kind string

// The kinds of refusal that intake itself gives. The caller who speaks a protocol
// adds its own.
const (
	UnknownTask      Kind = "unknown-task"
	UnknownModel     Kind = "unknown-model"
	BadClass         Kind = "bad-class"
	BadBound         Kind = "bad-bound"         // not a number, or outside what is sensible
	BelowFloor       Kind = "below-floor"       // a latency that this backend cannot keep at any price
	Unsatisfiable    Kind = "unsatisfiable"     // no model on any resource meets all bounds
	BadObjective     Kind = "bad-objective"     // optimize or its weights
	BadCallback      Kind = "bad-callback"      // an address that may not be called
	BadInput         Kind = "bad-input"         // not a picture, not the model's tensor
	UnsupportedInput Kind = "unsupported-input" // a content type that is not taken
	InputTooLarge    Kind = "input-too-large"
	UnknownUpload    Kind = "unknown-upload"
	BadKey           Kind = "bad-idempotency-key"
	KeyReused        Kind = "idempotency-key-reused"
	NotFound         Kind = "not-found" // unknown or another caller's: the two look the same
	Finished         Kind = "already-finished"
)

// Refusal is why a request was not done. It is the caller's to mend, and
// written for the caller to read.
type Refusal struct {
	Kind    Kind
	Field   string // path of the offending part of the request; empty when it is the whole
	Detail  string
	Bound   *float64             // the bound that was crossed, in the field's unit
	Nearest *selection.Candidate // the nearest thing that can be had
	// RetryAfter is when it may be worth another try; 0 when it is not.
	RetryAfter time.Duration
	// Possible are bounds as near as can be to those asked for, which would be kept.
	Possible *query.Constraints
}

func (r *Refusal) Error() string {
	if r.Field == "" {
		return fmt.Sprintf("%s: %s", r.Kind, r.Detail)
	}
	return fmt.Sprintf("%s: %s: %s", r.Kind, r.Field, r.Detail)
}

func refuse(k Kind, field, format string, args ...any) *Refusal {
	return &Refusal{Kind: k, Field: field, Detail: fmt.Sprintf(format, args...)}
}

func (r *Refusal) withBound(b float64) *Refusal {
	r.Bound = &b
	return r
}
