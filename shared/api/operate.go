// Package api has the shapes of Paragon's HTTP API, as the server writes them
// and clients read them. docs/openapi.yaml describes them.
package api

import (
	"encoding/json"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// OperatorHeader carries the token of an operator of one machine.
const OperatorHeader = "Paragon-Operator"

// NotOperator is the kind of the problem, a 403, that a request without the token gets
// where operators alone may do something, and OperatorsOnly what it says.
const (
	NotOperator   = "not-operator"
	OperatorsOnly = "only operators may do this: on the server's machine, run the `paragon` command as the user who runs the server, or send the content of the file operator-token in the data folder; from another machine, send a token with the role operator"
)

// BadModel is the kind of the problem that a model gets which cannot be served.
const BadModel = "bad-model"

// Setting is one tunable of a stage.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"` // in force
	// Before is what it was, in the answer to a change.
	Before  string   `json:"before,omitempty"`
	Default string   `json:"default"`
	Min     string   `json:"min,omitempty"`
	Max     string   `json:"max,omitempty"`
	OneOf   []string `json:"one_of,omitempty"`
	Form    string   `json:"form,omitempty"` // how a list is written
	Unit    string   `json:"unit,omitempty"`
	Doc     string   `json:"doc"`
}

// Settings are the tunables in force, and what is wrong with those that were set.
type Settings struct {
	Version  int64     `json:"version"`
	Faults   []string  `json:"faults"`
	Settings []Setting `json:"settings"`
}

// Change is one value that a setting was given.
type Change struct {
	Version int64     `json:"version"`
	Name    string    `json:"name"`
	Value   string    `json:"value"`
	At      time.Time `json:"at"`
}

// Changes is a list of values that a setting was given.
type Changes struct {
	Changes []Change `json:"changes"`
}

// Decision is what the controller decided in one tick.
type Decision struct {
	ID      string    `json:"id"`
	Pool    string    `json:"pool"`
	At      time.Time `json:"at"`
	Moves   bool      `json:"moves"` // whether the fleet was to change
	Line    string    `json:"line"`
	Outcome string    `json:"outcome,omitempty"`
	// Explanation and Record come with one decision alone. The record's bytes
	// are those that were stored.
	Explanation string          `json:"explanation,omitempty"`
	Record      json.RawMessage `json:"record,omitempty"`
}

// DecisionQuery says which decisions are listed, newest first.
type DecisionQuery struct {
	Pool   string // the first pool, if empty
	Before string // only those before the decision with this id, if one is given
	Moves  bool   // only those that change the number of workers
	Limit  int
}

// MostDecisions is how many decisions one response lists at most: each takes up to 1 KB.
const MostDecisions = 100

// Decisions is a list of decisions.
type Decisions struct {
	Decisions []Decision `json:"decisions"`
}

// RedriveOutcome is what putting back makes of a dead letter.
type RedriveOutcome string

// What becomes of dead letters.
const (
	// Resubmitted: its query has failed or expired, and a query ends once, so that
	// its input is asked again as another query of the same owner.
	Resubmitted RedriveOutcome = "resubmitted"
	// Dropped: its query was answered or cancelled meanwhile.
	Dropped RedriveOutcome = "dropped"
)

// DeadLetter is a query whose message lies among the dead letters.
type DeadLetter struct {
	ID         string      `json:"id"` // of the query
	Task       string      `json:"task"`
	Model      string      `json:"model"`
	Class      query.Class `json:"class"`
	AcceptedAt time.Time   `json:"accepted_at"`
	// State is how the query ended; absent when it has no record.
	State   query.State    `json:"state,omitempty"`
	Why     string         `json:"why"` // it is a dead letter, as far as is known
	Outcome RedriveOutcome `json:"outcome"`
	Queue   string         `json:"queue,omitempty"` // where it is put
	// As is the id of the query that asks again; absent before it does.
	As string `json:"as,omitempty"`
}

// DeadLetters is what was looked at or put back, and how many wait still.
type DeadLetters struct {
	Letters []DeadLetter `json:"letters"`
	Waiting int          `json:"waiting"`
}
