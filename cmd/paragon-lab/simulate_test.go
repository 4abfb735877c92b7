//go:build !race

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// How long paragon expected static load to last is reported with how long it did,
// in the row and below the table.
func TestSimulateScoresTheLoadMonitor(t *testing.T) {
	args := strings.Fields("simulate --generate step --rate 10 --peak 60 --at 20m --for 30m --scheme reactive,paragon")
	term := newTerminal(t, http.NotFoundHandler())
	if code := term.Run(t.Context(), append(args, "--json")); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, term.Err.String())
	}
	var rows []comparison.Row
	if err := json.Unmarshal(term.Out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	// Decisions are ten seconds apart; before the step static load has 600 s left in the median.
	e := rows[1].StaticEstimate
	if rows[0].StaticEstimate != nil || e == nil || e.Decisions < 100 || e.MedianTrue < 500 || e.MedianTrue > 650 || e.P90Error < e.MedianError {
		t.Errorf("reactive %+v, paragon %+v", rows[0].StaticEstimate, e)
	}
	term = newTerminal(t, http.NotFoundHandler())
	if code := term.Run(t.Context(), args); code != cli.ExitOK || !strings.Contains(term.Out.String(), "step, paragon: the scheme predicted that the load stays static") {
		t.Errorf("exit %d, said:\n%s", code, term.Out.String())
	}
}
