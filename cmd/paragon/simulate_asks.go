package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"paragon/shared/evaluate"
	"paragon/shared/evaluate/constrained"
	"paragon/shared/simulate"
)

// addWorkload adds what queries ask for.
func (f *caseFlags) addWorkload(fs *pflag.FlagSet) {
	fs.IntVar(&f.workload, "workload", 1, "1: queries of any model within the bounds of their class; 2: of varied constraints, selection beside naive choices")
}

// constrained tells whether workload 2 is asked for, and refuses what does not
// go with it.
func (f *caseFlags) constrained(fs *pflag.FlagSet) (bool, error) {
	switch f.workload {
	case 1:
		return false, nil
	case 2:
	default:
		return false, usagef("--workload is 1 or 2, not %d", f.workload)
	}
	for _, name := range []string{"strict-share", "strict-ms", "preset", "report", "keep"} {
		if fs.Changed(name) {
			return false, usagef("--%s does not go with --workload 2, whose queries bring bounds of their own", name)
		}
	}
	if f.layout != string(simulate.Shared) {
		return false, usagef("--workload 2 is played on --layout %s", simulate.Shared)
	}
	return true, nil
}

// twelve refuses a catalogue whose models the mixes of workload 2 do not fit.
func twelve(catalogues ...string) error {
	if slices.ContainsFunc(catalogues, func(c string) bool { return c != simulate.Measured }) {
		return usagef("the constraints of --workload 2 are those of the twelve models of catalogue %s", simulate.Measured)
	}
	return nil
}

func (a *app) simulateConstrained(ctx context.Context, f *caseFlags, trace string) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := twelve(f.catalogue); err != nil {
		return err
	}
	c, err := f.single(trace)
	if err != nil {
		return err
	}
	rows, err := a.playConstrained(ctx, f, []evaluate.Case{c})
	if err != nil {
		return err
	}
	return a.tellConstrained(rows)
}

func (a *app) compareConstrained(ctx context.Context, f *compareFlags, args []string, chosen bool) error {
	if err := f.check(); err != nil {
		return err
	}
	if !chosen {
		f.catalogues = []string{simulate.Measured}
	}
	if err := twelve(f.catalogues...); err != nil {
		return err
	}
	cases, err := f.named(args)
	if err != nil {
		return err
	}
	rows, err := a.playConstrained(ctx, &f.caseFlags, cases)
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
	return a.tellConstrained(rows)
}

func (a *app) playConstrained(ctx context.Context, f *caseFlags, cases []evaluate.Case) ([]constrained.Row, error) {
	schemes, err := f.chosen()
	if err != nil {
		return nil, err
	}
	runs := 0
	for _, c := range cases {
		runs += constrained.Runs(c, len(schemes))
	}
	bar := a.runs(runs)
	defer bar.finish()
	var rows []constrained.Row
	for _, c := range cases {
		got, err := constrained.Play(ctx, c, schemes, bar.ran)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

func (a *app) tellConstrained(rows []constrained.Row) error {
	if a.json {
		a.printJSON(rows)
		return nil
	}
	return constrained.Text(a.out, rows)
}
