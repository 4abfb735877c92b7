package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/lab/evaluate/constrained"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// addWorkload adds what queries ask for.
func (f *caseFlags) addWorkload(fs *pflag.FlagSet) {
	fs.IntVar(&f.workload, "workload", 1, "1: each query asks for a random model; 2: queries have different bounds, and the command compares Paragon's selection of models with naive choices")
}

// constrained reports whether workload 2 is asked for, and refuses what does not
// go with it.
func (f *caseFlags) constrained(fs *pflag.FlagSet) (bool, error) {
	switch f.workload {
	case 1:
		return false, nil
	case 2:
	default:
		return false, cli.Usagef("--workload must be 1 or 2, not %d", f.workload)
	}
	for _, name := range []string{"strict-share", "strict-ms", "preset", "report", "keep"} {
		if fs.Changed(name) {
			return false, cli.Usagef("--%s cannot be combined with --workload 2, whose queries have bounds of their own", name)
		}
	}
	if f.Layout != string(simulate.Shared) {
		return false, cli.Usagef("--workload 2 needs --layout %s", simulate.Shared)
	}
	return true, nil
}

// twelve refuses a catalogue whose models the mixes of workload 2 do not fit.
func twelve(catalogues ...string) error {
	if slices.ContainsFunc(catalogues, func(c string) bool { return c != simulate.Cocktail2022 }) {
		return cli.Usagef("--workload 2 needs catalogue %s, because its bounds are for the twelve models of this catalogue", simulate.Cocktail2022)
	}
	return nil
}

func runSimulateConstrained(ctx context.Context, term *cli.Terminal, f *caseFlags, trace string) error {
	if err := f.Check(); err != nil {
		return err
	}
	if err := twelve(f.Catalogue); err != nil {
		return err
	}
	c, err := f.single(trace)
	if err != nil {
		return err
	}
	rows, err := playConstrained(ctx, term, f, []comparison.Case{c})
	if err != nil {
		return err
	}
	return printConstrained(term, rows)
}

func runCompareConstrained(ctx context.Context, term *cli.Terminal, f *compareFlags, args []string, chosen bool) error {
	if err := f.Check(); err != nil {
		return err
	}
	if !chosen {
		f.catalogues = []string{simulate.Cocktail2022}
	}
	if err := twelve(f.catalogues...); err != nil {
		return err
	}
	cases, err := f.named(args)
	if err != nil {
		return err
	}
	rows, err := playConstrained(ctx, term, &f.caseFlags, cases)
	if err != nil {
		return err
	}
	if f.markdown != "" {
		var b strings.Builder
		if err := constrained.Document(&b, rows); err != nil {
			return err
		}
		if err := os.WriteFile(f.markdown, []byte(b.String()), 0o644); err != nil {
			return fmt.Errorf("write the tables: %w", err)
		}
	}
	return printConstrained(term, rows)
}

func playConstrained(ctx context.Context, term *cli.Terminal, f *caseFlags, cases []comparison.Case) ([]constrained.Row, error) {
	schemes, err := f.Chosen()
	if err != nil {
		return nil, err
	}
	runs := 0
	for _, c := range cases {
		runs += constrained.Runs(c, len(schemes))
	}
	bar := term.Progress(runs)
	defer bar.Finish()
	var rows []constrained.Row
	for _, c := range cases {
		got, err := constrained.Play(ctx, c, schemes, bar.Step)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

func printConstrained(term *cli.Terminal, rows []constrained.Row) error {
	if term.JSON {
		term.PrintJSON(rows)
		return nil
	}
	return constrained.Text(term.Out, rows)
}
