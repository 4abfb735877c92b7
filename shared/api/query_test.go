package api_test

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// A query that its caller cancelled, or whose input is at fault, is no miss of the stage's.
func TestMissed(t *testing.T) {
	met, late := true, false
	failed := func(code query.FailureCode) api.Query {
		return api.Query{State: query.Failed, MetSLO: &late, Failure: &query.Failure{Code: code}}
	}
	for name, c := range map[string]struct {
		query api.Query
		want  bool
	}{
		"in time":       {api.Query{State: query.Succeeded, MetSLO: &met}, false},
		"late":          {api.Query{State: query.Succeeded, MetSLO: &late}, true},
		"waits":         {api.Query{State: query.Accepted}, false},
		"failed":        {failed(query.ModelFault), true},
		"expired":       {api.Query{State: query.Expired, MetSLO: &late, Failure: &query.Failure{Code: query.TimedOut}}, true},
		"bad input":     {failed(query.BadInput), false},
		"input is gone": {failed(query.InputIsGone), false},
		"cancelled":     {api.Query{State: query.Cancelled, MetSLO: &late}, false},
	} {
		if got := c.query.Missed(); got != c.want {
			t.Errorf("%s: missed %v, want %v", name, got, c.want)
		}
	}
}
