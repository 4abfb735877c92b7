package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Of a query without a record nothing is known but its id: what was requested and why it was
// sent where it went is not made up.
func TestExplainOfAQueryWithoutARecord(t *testing.T) {
	for state, want := range map[query.State]string{query.Accepted: "stored when the query ends", query.Expired: "No reason is stored"} {
		term := newTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(api.Explanation{Query: api.Query{ID: "q1", State: state}})
		}))
		status := term.Run(t.Context(), []string{"explain", "q1"})
		if out := term.Out.String(); status != 0 || !strings.Contains(out, want) || strings.Contains(out, "Chosen") || strings.Contains(out, "Requested:") {
			t.Errorf("state %s, status %d:\n%s%s", state, status, out, &term.Err)
		}
	}
}
