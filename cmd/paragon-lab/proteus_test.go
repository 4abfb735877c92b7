package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/lab/proteus"
)

// The exit status says whether the goal is met; the page is written either way.
func TestProteusFailsBelowItsGoal(t *testing.T) {
	for _, c := range []struct {
		late, accuracy float64
		status         int
	}{{0.02, 99, 0}, {0.08, 99, 1}, {0.02, 96, 1}} {
		cases := []proteus.Case{{Options: proteus.Cases()[0], Outcome: proteus.Outcome{LateRatio: c.late, Accuracy: c.accuracy, Queries: 1}}}
		page := filepath.Join(t.TempDir(), "page.md")
		var out, errs bytes.Buffer
		term := cli.New(nil, &out, &errs, func(string) string { return "" })
		root := term.Root(&cobra.Command{Use: "lab"})
		root.AddCommand(&cobra.Command{Use: "proteus", RunE: func(*cobra.Command, []string) error { return reportProteus(term, cases, page) }})
		if got := term.Run(t.Context(), root, []string{"proteus"}); got != c.status || (errs.Len() > 0) != (c.status != 0) {
			t.Errorf("%+v: exit status %d, %s", c, got, &errs)
		}
		if raw, err := os.ReadFile(page); err != nil || len(raw) == 0 {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
