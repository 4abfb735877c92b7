package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// The exit statuses. They are part of the command line's promise: scripts
// switch on them.
const (
	ExitOK       = 0
	ExitFailure  = 1
	ExitUsage    = 2
	ExitNoAnswer = 3
)

// usageError means that the command was typed wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// Usagef is the error that the command was typed wrong.
func Usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// NoAnswer means that queries ended without an answer. What became of
// them is printed already.
type NoAnswer struct{ Queries, Of int }

func (e *NoAnswer) Error() string {
	if e.Of == 1 {
		return "the query ended without an answer"
	}
	return fmt.Sprintf("%d of %d queries ended without an answer", e.Queries, e.Of)
}

// exitStatus gives the exit status of an error; a plain failure weighs more than a
// query without an answer.
func exitStatus(err error) int {
	var usage *usageError
	var none *NoAnswer
	var invalid *simulate.Invalid
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage), errors.As(err, &invalid):
		return ExitUsage
	case errors.As(err, &none):
		return ExitNoAnswer
	}
	return ExitFailure
}

// printError prints an error and what to do about it.
func (t *Terminal) printError(command string, err error) {
	fmt.Fprintf(t.Err, "%s: %v\n", command, err)
	if hint := t.hint(err); hint != "" {
		fmt.Fprintf(t.Err, "  %s\n", hint)
	}
}

// hint says what to do next, where that is known.
func (t *Terminal) hint(err error) string {
	if advice := discovery.Advice(err); advice != "" {
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
	case p.Status == http.StatusForbidden && t.signed:
		return "these credentials may not call the API, have expired, or are of another account: `aws sts get-caller-identity` prints whose they are; " +
			"the policy paragon-<stage>-operator-<region> lets its holder call it"
	case p.Kind() == api.NotOperator:
		return "give the text of operator-token in the stage's data folder as PARAGON_OPERATOR_TOKEN"
	case p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden:
		return "give a token with --token or PARAGON_TOKEN"
	case p.Kind() == "unknown-task" || p.Kind() == "unknown-model":
		return "`paragon models` lists what is there"
	case p.Kind() == "answered-directly":
		return "its answer said where it ran and why: `paragon submit --json` prints all of it; a query with --key is kept"
	case p.Status == http.StatusRequestEntityTooLarge:
		return "make the picture smaller"
	}
	return ""
}
