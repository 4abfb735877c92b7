package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

const sensitivityLong = `Simulate the paper's schemes (rules that set the number of workers) under every combination of
price ratio, metric delay, reactive rule and overflow rule. Print in which combinations the paper's
findings hold. docs/lab/sensitivity.md, which the command generates, explains these conditions.

Without --traces, the simulation plays an hour of each synthetic trace. With --traces, it plays an
hour of each trace of the evaluation, and generates docs/lab/sensitivity-recorded.md.`

// sensitivityFlags are the flags of `paragon-lab sensitivity`.
type sensitivityFlags struct {
	traces, markdown string
	from, window     time.Duration
}

func newSensitivityCommand(term *cli.Terminal) *cobra.Command {
	f := &sensitivityFlags{from: evaluate.GridFrom, window: evaluate.GridFor}
	c := &cobra.Command{
		Use: "sensitivity", Short: "Show what the paper's findings depend on", Args: cobra.NoArgs,
		Long: sensitivityLong, Example: "  paragon-lab sensitivity\n  paragon-lab sensitivity --traces ~/traces --markdown sensitivity.md",
		RunE: func(c *cobra.Command, _ []string) error { return runSensitivity(c.Context(), term, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.traces, "traces", "", "folder with the traces of the evaluation (default synthetic traces)")
	fs.Var(cli.DurationValue(&f.from), "from", "with --traces: time in each trace at which to begin")
	fs.Var(cli.DurationValue(&f.window), "for", "with --traces: length of the part of each trace to simulate")
	fs.StringVar(&f.markdown, "markdown", "", "file for the Markdown page (default stdout)")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

func runSensitivity(ctx context.Context, term *cli.Terminal, f *sensitivityFlags) error {
	cases, err := f.cases()
	if err != nil {
		return err
	}
	grids, err := playGrids(ctx, term, cases)
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
	case !term.JSON:
		term.Printf("%s", page.String())
	}
	if term.JSON {
		term.PrintJSON(grids)
	}
	return nil
}

func playGrids(ctx context.Context, term *cli.Terminal, cases []comparison.Case) ([]evaluate.Grid, error) {
	bar := term.Progress(len(cases) * evaluate.GridRuns())
	defer bar.Finish()
	var out []evaluate.Grid
	for _, c := range cases {
		g, err := evaluate.PlayGrid(ctx, c, bar.Step)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// cases are the made-up traces, or those of the folder.
func (f *sensitivityFlags) cases() ([]comparison.Case, error) {
	c := &compareFlags{}
	c.Add(pflag.NewFlagSet("", pflag.ContinueOnError)) // its defaults
	if f.traces == "" {
		m, err := c.Market(simulate.Paper2020)
		if err != nil {
			return nil, err
		}
		return evaluate.GridCases(m)
	}
	c.folder, c.From, c.window, c.catalogues = f.traces, f.from, f.window, []string{simulate.Paper2020}
	all, err := c.traces(nil)
	if err != nil {
		return nil, err
	}
	cases, err := c.cases(all)
	for i := range cases {
		cases[i] = evaluate.InsideAStep(cases[i])
	}
	return cases, err
}
