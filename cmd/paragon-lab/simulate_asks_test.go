//go:build !race

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/lab/evaluate/constrained"
)

func TestSimulateWorkload2(t *testing.T) {
	term := newTerminal(t, http.NotFoundHandler())
	args := []string{"simulate", "--generate", "constant", "--rate", "30", "--for", "3m", "--workload", "2", "--scheme", "mixed", "--json"}
	if code := term.Run(t.Context(), args); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, term.Err.String())
	}
	var rows []constrained.Row
	if err := json.Unmarshal(term.Out.Bytes(), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 15 || rows[0].Scheme != "mixed" || rows[0].Mix == "" || rows[0].OfNaiveFeasible <= 0 || rows[0].Queries == 0 {
		t.Errorf("%d rows, want five mixes of three choices; the first: %+v", len(rows), rows[0])
	}
}

func TestCompareWorkload2WritesItsPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	trace := filepath.Join(t.TempDir(), "flat.csv")
	if err := os.WriteFile(trace, []byte("minute,count\n0,1500\n1,1500\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	term := newTerminal(t, http.NotFoundHandler())
	if code := term.Run(t.Context(), []string{"compare", trace, "--workload", "2", "--scheme", "reactive", "--markdown", page}); code != cli.ExitOK {
		t.Fatalf("exit %d: %s", code, term.Err.String())
	}
	raw, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(raw), "| both, tight | reactive |") || !strings.Contains(term.Out.String(), "both, tight") {
		t.Errorf("error %v, page:\n%s\nsaid:\n%s", err, raw, term.Out.String())
	}
}

func TestWhatDoesNotGoWithWorkload2(t *testing.T) {
	for _, args := range []string{
		"--workload 3", "--workload 2 --strict-share 0.2", "--workload 2 --layout per_model", "--workload 2 --catalogue paper2020", "--workload 2 --preset spock",
	} {
		term := newTerminal(t, http.NotFoundHandler())
		if code := term.Run(t.Context(), append([]string{"simulate", "--generate", "constant", "--for", "1m"}, strings.Fields(args)...)); code != cli.ExitUsage {
			t.Errorf("%s: exit %d, %s", args, code, term.Err.String())
		}
	}
}
