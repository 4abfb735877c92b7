package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"

	"paragon/shared/api"
	"paragon/shared/client"
	"paragon/shared/cloud/aws/door"
)

// The exit statuses. They are part of the command line's promise: scripts
// switch on them.
const (
	exitOK       = 0
	exitFailure  = 1
	exitUsage    = 2
	exitNoAnswer = 3
)

// usageError means that the command was typed wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// noAnswerError means that queries ended without an answer. What became of
// them is printed already.
type noAnswerError struct{ queries, of int }

func (e *noAnswerError) Error() string {
	if e.of == 1 {
		return "the query ended without an answer"
	}
	return fmt.Sprintf("%d of %d queries ended without an answer", e.queries, e.of)
}

// status gives the exit status of an error; a plain failure weighs more than a
// query without an answer.
func status(err error) int {
	var usage *usageError
	var none *noAnswerError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &none):
		return exitNoAnswer
	}
	return exitFailure
}

// tell prints an error and what to do about it.
func (a *app) tell(err error) {
	fmt.Fprintf(a.err, "paragon: %v\n", err)
	if hint := a.hint(err); hint != "" {
		fmt.Fprintf(a.err, "  %s\n", hint)
	}
}

// hint says what to do next, where that is known.
func (a *app) hint(err error) string {
	if advice := door.Advice(err); advice != "" {
		return advice
	}
	var gone *client.Unreachable
	var p *client.Problem
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.As(err, &gone) && errors.Is(err, syscall.ECONNREFUSED):
		return "start it with `make run`, or name another with --endpoint or PARAGON_ENDPOINT"
	case errors.As(err, &gone):
		return "check the address given by --endpoint or PARAGON_ENDPOINT"
	case !errors.As(err, &p):
		return ""
	case p.Status == http.StatusForbidden && a.signs:
		return "these credentials may not call the API, have expired, or are of another account: `aws sts get-caller-identity` tells whose they are; " +
			"the policy paragon-<stage>-operator lets its holder call it"
	case p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden:
		return "give a token with --token or PARAGON_TOKEN"
	case p.Kind() == "unknown-task" || p.Kind() == "unknown-model":
		return "`paragon models` lists what is there"
	case p.Status == http.StatusRequestEntityTooLarge:
		return "make the picture smaller"
	}
	return ""
}

// problemOf gives the JSON of an error for programs: the server's problem as
// it came, or our own words in the same shape.
func problemOf(err error) json.RawMessage {
	var p *client.Problem
	if !errors.As(err, &p) {
		p = &client.Problem{Problem: api.Problem{Type: "about:blank", Title: "not sent", Detail: err.Error()}}
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return json.RawMessage(fmt.Sprintf("%q", err.Error()))
	}
	return raw
}

// oneLine keeps what others wrote from breaking the terminal: control
// characters become spaces.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
