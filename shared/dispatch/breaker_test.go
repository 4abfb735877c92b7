package dispatch_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A model whose runs fail on functions five times in a row is invoked no more for a while
// and is listed with why; one run tries again then. That is an error in the log, once. What
// is the caller's fault, a throttle or in doubt says nothing of the model.
func TestABrokenModelIsNotInvoked(t *testing.T) {
	fault := func(err error) func() (inference.Response, error) {
		return func() (inference.Response, error) { return inference.Response{}, err }
	}
	ended := func(code query.FailureCode) func() (inference.Response, error) {
		return func() (inference.Response, error) {
			return inference.Response{Error: &query.Failure{Code: code, Detail: "no such operator"}}, nil
		}
	}
	well := func() (inference.Response, error) { return inference.Response{Label: "answered"}, nil }
	for _, tc := range []struct {
		name  string
		runs  func() (inference.Response, error)
		opens bool
	}{
		{"it dies", fault(fmt.Errorf("no such operator: %w", platform.ErrFault)), true},
		{"its model fails", ended(query.ModelFault), true},
		{"its input is bad", ended(query.BadInput), false},
		{"it is throttled", fault(platform.ErrThrottled), false},
		{"it is in doubt", fault(platform.ErrUnavailable), false},
		{"there is none", fault(platform.ErrNotFound), false},
		{"it answers", well, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				var log bytes.Buffer
				r.Dispatcher.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
				run := tc.runs
				r.script = func(string, int) (inference.Response, error) { return run() }
				invoke := func() (v inference.Invoked, invoked int) {
					before := len(r.names)
					m := aMessage()
					m.Attempts = r.settings.MaxAttempts - 1 // so that each is one run
					v = r.Dispatcher.Invoke(t.Context(), m)
					return v, len(r.names) - before
				}
				for i := range 5 {
					if open := r.Broken(); len(open) > 0 {
						t.Fatalf("open after %d runs: %+v", i, open)
					}
					if v, n := invoke(); n == 0 {
						t.Fatalf("invocation %d was not made: %+v", i, v)
					}
				}
				open := r.Broken()
				if (len(open) == 1) != tc.opens || tc.opens && (open[0].Model != "m" || !strings.Contains(open[0].Why, "no such operator") || !open[0].Until.After(time.Now())) {
					t.Errorf("after five: %+v", open)
				}
				if errors := strings.Count(log.String(), "level=ERROR"); (errors == 1) != tc.opens || errors > 1 {
					t.Errorf("%d errors in the log: %s", errors, &log)
				}
				if v, n := invoke(); (n == 0) != tc.opens || tc.opens && (v.Outcome != nil || v.Thrown != inference.NoFunction || !strings.Contains(v.Why, "no such operator")) {
					t.Errorf("the sixth: %+v after %d invocations", v, n)
				}
				if !tc.opens {
					return
				}
				<-time.After(time.Until(open[0].Until))
				if v, n := invoke(); n != 1 || len(r.Broken()) != 1 {
					t.Errorf("tried again with the same end: %+v after %d invocations, %+v", v, n, r.Broken())
				}
				<-time.After(time.Until(r.Broken()[0].Until))
				run = well
				if v, n := invoke(); n != 1 || v.Outcome == nil {
					t.Errorf("tried again: %+v after %d invocations", v, n)
				}
				run = tc.runs // one failure after an answer is the first
				if v, n := invoke(); n != 1 || len(r.Broken()) > 0 {
					t.Errorf("after an answer: %+v after %d invocations, %+v", v, n, r.Broken())
				}
			})
		})
	}
}
