package cli

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"syscall"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
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

// usageError means that the caller made a mistake.
type usageError struct {
	text  string
	cause error // nil where the text alone says it
}

func (e *usageError) Error() string { return e.text }

func (e *usageError) Unwrap() error { return e.cause }

// Mistake marks an error as the caller's mistake, such as of a file that is not there or
// whose content cannot be used; nil stays nil.
func Mistake(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err.Error(), err}
}

// Usagef is the error that the caller made a mistake.
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
	var unkept *selection.Unsatisfiable
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage), errors.As(err, &invalid), errors.As(err, &unkept), refused(err):
		return ExitUsage
	case errors.As(err, &none):
		return ExitNoAnswer
	}
	return ExitFailure
}

// mistakes are the errors that a stage in an account refuses with.
var mistakes = []error{admin.ErrUnknown, admin.ErrBadSetting, admin.ErrBadQueue, discovery.ErrNoStage, names.ErrStageName}

// refused reports whether a stage refused what was asked of it, which no repetition mends:
// a value outside of its bounds, or a name of nothing.
func refused(err error) bool {
	var p *client.Problem
	var here interface{ HTTPStatus() int } // refused by this process, as a server would
	status, field := 0, ""
	switch {
	case errors.As(err, &p):
		status, field = p.Status, p.Field
	case errors.As(err, &here):
		status = here.HTTPStatus()
	default:
		return slices.ContainsFunc(mistakes, func(kind error) bool { return errors.Is(err, kind) })
	}
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	case http.StatusConflict: // a name that is taken; without a field it is a state that may change
		return field == "name" || field == "task"
	}
	return false
}

// ProblemOf gives the JSON of an error for programs: the server's problem as
// it came, or our own words in the same shape.
func ProblemOf(err error) json.RawMessage {
	var p *client.Problem
	if !errors.As(err, &p) {
		p = &client.Problem{Problem: api.Problem{Type: "about:blank", Title: "The command failed", Detail: err.Error()}}
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return json.RawMessage(fmt.Sprintf("%q", err.Error()))
	}
	return raw
}

// printError prints an error and what to do about it.
func (t *Terminal) printError(command string, err error) {
	fmt.Fprintf(t.Err, "%s %v\n", t.styleOf(t.Err).Bad(command+":"), err)
	if hint := t.hint(err); hint != "" {
		fmt.Fprintf(t.Err, "  %s\n", hint)
	}
}

// Sentence is an error with what to do about it, where that is known.
func (t *Terminal) Sentence(err error) string {
	if hint := t.hint(err); hint != "" {
		return err.Error() + "; " + hint
	}
	return err.Error()
}

// unknownAuthority reports whether a server's certificate is signed by nobody whom this machine trusts.
func unknownAuthority(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &unknown)
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
		return "start a server with `make run`, or name another with --endpoint or PARAGON_ENDPOINT"
	case errors.As(err, &gone) && unknownAuthority(err):
		return "set SSL_CERT_FILE to a PEM file with the server's certificate, or with that of the authority that signed it"
	case errors.As(err, &gone):
		return "check the address given by --endpoint or PARAGON_ENDPOINT"
	case !errors.As(err, &p):
		return ""
	case p.Status == http.StatusForbidden && t.signed:
		return "these credentials may not call the API, have expired, or belong to another account: `aws sts get-caller-identity` prints their account and user; " +
			"the policy paragon-<stage>-operator-<region> allows calls of the API"
	case p.Kind() == api.NotOperator:
		return "on the server's machine, set PARAGON_OPERATOR_TOKEN to the content of the file operator-token in the data folder; from another machine, give an operator's token with --token"
	case p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden:
		return "give a token with --token or PARAGON_TOKEN"
	case p.Kind() == "not-found":
		return "`paragon list` lists the ids of stored queries, and `paragon decisions` those of decisions"
	case p.Kind() == "unknown-task" || p.Kind() == "unknown-model":
		return "`paragon models` lists the models and tasks"
	case p.Kind() == "unsatisfiable":
		return "`paragon models` lists the accuracy and the latency of each model; to add a model with its accuracy, use `paragon model add` with --test (pictures and text) or --accuracy"
	case p.Kind() == "unsupported-input":
		return "`paragon models` with --json prints what each model takes; `paragon submit --help` describes the files"
	case p.Kind() == "answered-directly":
		return "a direct answer is not stored, but its response says where the query ran and why (`paragon submit --json`); a query with --key is stored"
	case p.Kind() == api.BadModel && p.Status == http.StatusUnprocessableEntity && p.Field == "":
		return "the section `Which files are refused` of docs/models.md says what a file must have"
	case p.Status == http.StatusRequestEntityTooLarge && p.Type == "about:blank": // not our own server
		return "a proxy in front of the server refuses bodies of this size: raise its limit (nginx: client_max_body_size)"
	case p.Status == http.StatusRequestEntityTooLarge && p.Kind() != api.BadModel:
		return "make the picture smaller"
	}
	return ""
}
