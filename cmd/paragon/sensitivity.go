package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"paragon/shared/evaluate"
	"paragon/shared/simulate"
)

const sensitivityLong = `Play the paper's schemes under every combination of price ratio, metric delay,
reactive rule and slot rule, and tell in which of them the paper's findings hold.

An hour of made-up traces is played, or an hour of each of the evaluation's
traces in the folder --traces. docs/sensitivity.md and
docs/sensitivity-recorded.md are made so.`

// sensitivityFlags are what `paragon sensitivity` was told.
type sensitivityFlags struct {
	traces, markdown string
	from, window     time.Duration
}

func (a *app) sensitivityCommand() *cobra.Command {
	f := &sensitivityFlags{from: evaluate.GridFrom, window: evaluate.GridFor}
	c := &cobra.Command{
		Use: "sensitivity", Short: "Tell on what the paper's findings depend", Args: cobra.NoArgs,
		Long: sensitivityLong, Example: "  paragon sensitivity\n  paragon sensitivity --traces ~/traces --markdown sensitivity.md",
		RunE: func(c *cobra.Command, _ []string) error { return a.sensitivity(c.Context(), f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.traces, "traces", "", "folder of the evaluation's traces (default made up)")
	fs.Var(lengthOf{&f.from}, "from", "with --traces: where in each trace to begin")
	fs.Var(lengthOf{&f.window}, "for", "with --traces: how much of each trace to play")
	fs.StringVar(&f.markdown, "markdown", "", "file for the page (default the terminal)")
	fs.BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *app) sensitivity(ctx context.Context, f *sensitivityFlags) error {
	cases, err := f.cases()
	if err != nil {
		return err
	}
	grids, err := a.playGrids(ctx, cases)
	if err != nil {
		return err
	}
	var page strings.Builder
	if f.traces == "" {
		err = evaluate.WriteGrid(&page, grids)
	} else {
		err = evaluate.WriteRecordedGrid(&page, cases, grids)
	}
	if err != nil {
		return err
	}
	switch {
	case f.markdown != "":
		if err := os.WriteFile(f.markdown, []byte(page.String()), 0o644); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	case !a.json:
		a.printf("%s", page.String())
	}
	if a.json {
		a.printJSON(grids)
	}
	return nil
}

func (a *app) playGrids(ctx context.Context, cases []evaluate.Case) ([]evaluate.Grid, error) {
	bar := a.runs(len(cases) * evaluate.GridRuns())
	defer bar.finish()
	var out []evaluate.Grid
	for _, c := range cases {
		g, err := evaluate.PlayGrid(ctx, c, bar.ran)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// cases are the made-up traces, or those of the folder.
func (f *sensitivityFlags) cases() ([]evaluate.Case, error) {
	c := &compareFlags{}
	c.add(pflag.NewFlagSet("", pflag.ContinueOnError)) // its defaults
	if f.traces == "" {
		m, err := c.market(simulate.Paper2020)
		if err != nil {
			return nil, err
		}
		return evaluate.GridCases(m)
	}
	c.folder, c.from, c.window, c.catalogues = f.traces, f.from, f.window, []string{simulate.Paper2020}
	all, err := c.traces(nil)
	if err != nil {
		return nil, err
	}
	cases, err := c.cases(all)
	for i := range cases {
		cases[i] = cases[i].InsideAStep()
	}
	return cases, err
}
