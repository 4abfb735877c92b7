package main

import (
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A step names where a query was sent on to, or where it failed: the words
// must not turn one into the other.
func TestStoryReportsWhereItWent(t *testing.T) {
	at := time.Unix(1000, 0)
	q := api.Query{AcceptedAt: at, Trail: query.Trail{
		{At: at, Event: query.StepFellBack, Where: "work-strict-general", Why: "throttled"},
		{At: at, Event: query.StepRetried, Where: "w-1", Why: "model fault"},
	}}
	for _, want := range []string{"thrown back to work-strict-general: throttled", "a run failed on w-1: model fault"} {
		if got := story(q); !strings.Contains(got, want) {
			t.Errorf("%q is not in the story:\n%s", want, got)
		}
	}
}
