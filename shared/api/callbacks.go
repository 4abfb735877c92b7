package api

import "time"

// Callbacks are what an operator reads of callbacks.
type Callbacks struct {
	Arrived   int64          `json:"arrived"`  // since the start of a machine
	GivenUp   int64          `json:"given_up"` // since the start of a machine
	Open      []OpenCallback `json:"open"`     // of ended queries of a machine, that have not arrived; the next one first
	Receivers []Receiver     `json:"receivers"`
	// Waiting are the messages in the queue of a stage in an account, about: a query whose
	// callback has not been made has one or two. Nothing else is known there.
	Waiting *int `json:"waiting,omitempty"`
}

// OpenCallback is one that is tried, or tried again.
type OpenCallback struct {
	ID      string    `json:"id"` // the query's
	Host    string    `json:"host"`
	EndedAt time.Time `json:"ended_at"`
	DueAt   time.Time `json:"due_at"` // of the next try
	Tries   int       `json:"tries"`  // that failed
	Fault   string    `json:"fault,omitempty"`
}

// Receiver is a host that may be called, with the secret by which it verifies calls.
type Receiver struct {
	Host   string `json:"host"`
	Secret string `json:"secret"` // as the libraries of standardwebhooks.com take it
}
