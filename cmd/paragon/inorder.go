package main

import (
	"encoding/json"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// submitted is what became of one file or id; --json prints it of a file.
type submitted struct {
	File string `json:"file"`
	*api.Query
	Problem json.RawMessage `json:"problem,omitempty"`
	err     error
	none    bool // it ended without an answer, where one was wanted
}

// ended is a query that was waited for or asked after.
func ended(name string, q api.Query) submitted {
	return submitted{File: name, Query: &q, none: q.State.Terminal() && q.State != query.Succeeded}
}

// refused is a file or id that nothing came of.
func refused(name string, err error) submitted {
	return submitted{File: name, Problem: cli.ProblemOf(err), err: err}
}

// inOrder does something for several files or ids at once and prints what
// became of them in the order given. One that fails does not keep the others
// from being done. It returns the first error, else that some had no answer.
func inOrder(names []string, work func(name string) submitted, print func(submitted)) error {
	done := make([]chan submitted, len(names))
	places := make(chan struct{}, cli.AtOnce)
	for i := range names {
		done[i] = make(chan submitted, 1)
	}
	go func() {
		for i, name := range names {
			places <- struct{}{}
			go func() { done[i] <- work(name); <-places }()
		}
	}()
	var first error
	none := 0 // ended without an answer
	for i := range names {
		s := <-done[i]
		print(s)
		if first == nil {
			first = s.err
		}
		if s.none {
			none++
		}
	}
	if first == nil && none > 0 {
		return &cli.NoAnswer{Queries: none, Of: len(names)}
	}
	return first
}
