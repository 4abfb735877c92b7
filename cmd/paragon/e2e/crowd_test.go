//go:build crowd

package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/paragon-lab/demo"
)

// demonstrate plays the hour with the tenfold crowd.
func demonstrate(t *testing.T, functions bool) demo.Report {
	t.Helper()
	cmd := exec.Command(built(t, "paragon-lab"), "demo", "--json", fmt.Sprintf("--functions=%t", functions))
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var r demo.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	t.Logf("functions %t: workers %d, %d, %d; %.0f %% overflow at the peak; strict kept %.2f %%, warm %.2f %%; failed %d, interrupted %d; grew %d, shrank %d",
		functions, r.WorkersFirst, r.WorkersMost, r.WorkersLast, r.PeakOverflowPercent, r.StrictMetPercent, r.StrictWarmMetPercent, r.Failed, r.Interrupted, r.Grew, r.Shrank)
	return r
}

// What is promised of a tenfold flash crowd on one machine, and that it is
// missed without functions. It takes a quarter of an hour, and a machine that
// does nothing else: it runs by `make crowd` alone.
func TestTheCrowdIsServed(t *testing.T) {
	r := demonstrate(t, true)
	for _, c := range []struct {
		promise string
		kept    bool
	}{
		{"the workers at least triple", r.WorkersMost >= 3*max(1, r.WorkersFirst)},
		{"at least 20 % of strict queries overflow at the peak", r.PeakOverflowPercent >= 20},
		{"99 % of strict queries keep their bound once functions are warm", r.StrictWarmMetPercent >= 99},
		{"the fleet grows once and shrinks once", r.Grew == 1 && r.Shrank == 1},
		{"no query fails or is interrupted", r.Failed == 0 && r.Interrupted == 0},
	} {
		if !c.kept {
			t.Errorf("not so: %s", c.promise)
		}
	}
	for _, move := range r.Moves {
		if !strings.Contains(move, ": ") {
			t.Errorf("a move without a reason: %q", move)
		}
	}
	if without := demonstrate(t, false); without.StrictMetPercent >= 99 {
		t.Errorf("without functions %.2f %% of strict queries kept their bound all the same", without.StrictMetPercent)
	}
}
