package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/lab/evaluate/bills"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

// What bounds --hours and --seeds.
const mostHours, mostSeeds = 24, 100

// runCompareBills compares whole bills as deployed, under several seeds, on hours of
// each trace.
func runCompareBills(ctx context.Context, term *cli.Terminal, f *compareFlags, args []string) error {
	switch {
	case !f.AsDeployed:
		return cli.Usagef("--bills always compares the bills as deployed: leave out --as-stage=false")
	case f.hours < 1 || f.hours > mostHours || f.seeds < 1 || f.seeds > mostSeeds:
		return cli.Usagef("--hours must be 1 to %d, and --seeds must be 1 to %d", mostHours, mostSeeds)
	case f.window != 0:
		return cli.Usagef("--bills cannot be combined with --window: --hours chooses the hours of each trace")
	}
	if err := f.Check(); err != nil {
		return err
	}
	schemes, err := f.Chosen()
	if err != nil {
		return err
	}
	all, err := f.traces(args)
	if err != nil {
		return err
	}
	if !f.adversaries {
		all = inHours(all, f.hours)
	}
	cases, err := f.cases(all)
	if err != nil {
		return err
	}
	bar := term.Progress(len(cases) * bills.Runs(len(schemes), f.seeds))
	defer bar.Finish()
	play := func(ctx context.Context, c comparison.Case, schemes []procurement.Scheme, done func(string)) ([]comparison.Ran, error) {
		return kept(ctx, f.keep, c, schemes, done)
	}
	var windows []bills.Window
	for _, c := range cases {
		w, err := bills.Play(ctx, evaluate.InsideAStep(c), schemes, f.seeds, play, bar.Step)
		if err != nil {
			return err
		}
		windows = append(windows, w)
	}
	var b strings.Builder
	if err := bills.Document(&b, windows, f.adversaries); err != nil {
		return err
	}
	if err := os.WriteFile(f.bills, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write the bills: %w", err)
	}
	if term.JSON {
		term.PrintJSON(windows)
	}
	return nil
}

// inHours are the given number of hours of each trace, spread evenly over it, each named.
func inHours(all []one, hours int) []one {
	var out []one
	for _, o := range all {
		length := o.length
		if length == 0 {
			length = o.trace.Duration() - o.from
		}
		n := max(1, min(hours, int(length/time.Hour)))
		for i := range n {
			of := o
			at := (length * time.Duration(i+1) / time.Duration(n+1)).Truncate(time.Hour)
			of.from, of.length = o.from+at, min(time.Hour, length-at)
			of.name = fmt.Sprintf("%s, hour %d", o.name, int(of.from/time.Hour))
			out = append(out, of)
		}
	}
	return out
}
