package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/lab/figures"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

const compareLong = `Simulate every scheme (rule that sets the number of workers) on every trace of arrivals. Compare
the costs and the missed bounds. Also divide each cost by the cost of a schedule that knows all
arrivals.

A trace is given as FILE or FILE=SCALE. Instead, --traces can name a folder with the traces of the
evaluation: berkeley x20, wits /2, twitter x1 and x3, and 48 hours of wikipedia, scaled as their
authors or later papers did. Without files and --traces, the command uses synthetic traces of
similar shapes.

--window 1h plays one hour of each trace, beginning at --from. Without --window, the command plays
whole traces. --markdown writes the tables, the hours in which hedged is not the cheapest scheme,
and which of the paper's findings hold (docs/lab/evaluation.md).

--bills FILE compares the whole bills of the schemes and of their rivals (rules of other systems),
in deployed stages, for hours of each trace and with several seeds (docs/lab/bills.md).
--adversaries compares them on artificial loads that are hard to follow (docs/lab/adversaries.md).

--workload 2 compares Paragon's selection of models with naive choices, on queries with
different bounds (docs/lab/workload-2.md).`

const compareExample = `  paragon-lab compare --window 1h
  paragon-lab compare --traces ~/traces --catalogues cocktail2022 --window 1h --from 1h
  paragon-lab compare berkeley.csv=20 wits.csv=0.5 --report out
  paragon-lab compare --traces ~/traces --as-stage=false --markdown docs/lab/evaluation.md
  paragon-lab compare --traces ~/traces --bills docs/lab/bills.md --hours 6 --seeds 5
  paragon-lab compare --adversaries --bills docs/lab/adversaries.md --seeds 3
  paragon-lab compare --traces ~/traces --window 1h --from 1h --workload 2 --scheme reactive,mixed,paragon,hedged --markdown docs/lab/workload-2.md`

// compareFlags are the flags of `paragon-lab compare` besides those of the case.
type compareFlags struct {
	caseFlags
	folder, markdown, report, keep string
	bills                          string // file of the whole bills
	adversaries                    bool   // artificial loads instead of recorded traces
	hours, seeds                   int
	catalogues                     []string
	window                         time.Duration
}

func newCompareCommand(term *cli.Terminal) *cobra.Command {
	f := &compareFlags{}
	c := &cobra.Command{
		Use: "compare [FILE[=SCALE]...]", Short: "Simulate every scheme on every trace, and compare the costs",
		Long: compareLong, Example: compareExample,
		RunE: func(c *cobra.Command, args []string) error {
			two, err := f.constrained(c.Flags())
			switch {
			case err != nil:
				return err
			case f.bills != "":
				return runCompareBills(c.Context(), term, f, args)
			case two:
				return runCompareConstrained(c.Context(), term, f, args, c.Flags().Changed("catalogues"))
			}
			return runCompare(c.Context(), term, f, args)
		},
	}
	fs := c.Flags()
	f.Add(fs)
	f.addWindow(fs)
	f.addWorkload(fs)
	f.addStage(fs)
	fs.Lookup("catalogue").Hidden = true
	fs.StringVar(&f.folder, "traces", "", "folder with the traces of the evaluation")
	fs.StringSliceVar(&f.catalogues, "catalogues", simulate.MarketNames(), "catalogues of profiles and prices")
	fs.Var(cli.DurationValue(&f.window), "window", "length of the part of each trace to simulate (default the whole trace)")
	fs.StringVar(&f.markdown, "markdown", "", "Markdown file for the tables")
	fs.StringVar(&f.bills, "bills", "", "Markdown file for the whole bills of --hours hours of each trace: with --seeds seeds as with --as-stage, and with one seed as with --as-stage=false")
	fs.BoolVar(&f.adversaries, "adversaries", false, "with --bills: simulate artificial loads that are hard to follow with workers, instead of recorded traces")
	fs.IntVar(&f.hours, "hours", 6, "with --bills: number of hours of each trace, spread evenly over the trace")
	fs.IntVar(&f.seeds, "seeds", 5, "with --bills: number of seeds; the first one is --seed")
	fs.StringVar(&f.keep, "keep", "", "folder in which the command stores the results of each trace; it does not compute stored results again")
	fs.StringVar(&f.report, "report", "", "folder for a report in HTML with figures 4, 5, 6 and 8 as SVG and PNG")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

// one is one trace of a comparison.
type one struct {
	name, scaling string
	trace         arrivals.Trace
	from, length  time.Duration
}

func runCompare(ctx context.Context, term *cli.Terminal, f *compareFlags, args []string) error {
	if err := f.Check(); err != nil {
		return err
	}
	schemes, err := f.Chosen()
	if err != nil {
		return err
	}
	cases, err := f.named(args)
	if err != nil {
		return err
	}
	rows, err := playAll(ctx, term, cases, schemes, f.keep)
	if err != nil {
		return err
	}
	if err := writeTables(term, f, cases, rows); err != nil {
		return err
	}
	return term.PrintRows(rows)
}

// named are the traces that were named, in each market.
func (f *compareFlags) named(args []string) ([]comparison.Case, error) {
	all, err := f.traces(args)
	if err != nil {
		return nil, err
	}
	return f.cases(all)
}

// cases are the traces in each market.
func (f *compareFlags) cases(all []one) ([]comparison.Case, error) {
	var out []comparison.Case
	for _, market := range f.catalogues {
		if !slices.Contains(simulate.MarketNames(), market) {
			return nil, cli.Usagef("--catalogues must be one or more of %s", strings.Join(simulate.MarketNames(), ", "))
		}
		for _, o := range all {
			c, err := f.Case(o.name, o.trace, o.scaling, market)
			if err != nil {
				return nil, err
			}
			c.From, c.For = o.from, o.length
			out = append(out, c)
		}
	}
	return out, nil
}

func playAll(ctx context.Context, term *cli.Terminal, cases []comparison.Case, schemes []procurement.Scheme, keep string) ([]comparison.Ran, error) {
	bar := term.Progress(len(cases) * (len(schemes) + 2))
	defer bar.Finish()
	var rows []comparison.Ran
	for _, c := range cases {
		got, err := kept(ctx, keep, c, schemes, bar.Step)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	comparison.Relate(rows)
	return rows, nil
}

// kept plays a case, or takes it from the folder if it was played there: a long
// evaluation goes on where it was interrupted. The folder belongs to one version
// of the program.
func kept(ctx context.Context, folder string, c comparison.Case, schemes []procurement.Scheme, done func(string)) ([]comparison.Ran, error) {
	if folder == "" {
		return comparison.Play(ctx, c, schemes, done)
	}
	key, err := evaluate.Key(c, schemes)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(folder, key+".json")
	var out []comparison.Ran
	raw, err := os.ReadFile(file)
	if err == nil && json.Unmarshal(raw, &out) == nil {
		for _, r := range out {
			done(r.Row.Scheme)
		}
		return out, nil
	}
	if out, err = comparison.Play(ctx, c, schemes, done); err != nil {
		return nil, err
	}
	if raw, err = json.Marshal(out); err != nil {
		return nil, fmt.Errorf("keep results: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("keep results: %w", err)
	}
	return out, os.WriteFile(file, raw, 0o644)
}

// writeTables writes what was asked for besides the answer.
func writeTables(term *cli.Terminal, f *compareFlags, cases []comparison.Case, rows []comparison.Ran) error {
	if f.report != "" {
		figs, err := paperFigures(evaluate.FigureNames(), cases, rows)
		if err != nil {
			return err
		}
		if err := writeEvaluation(f.report, "Schemes compared", rows, figs); err != nil {
			return err
		}
	}
	if f.markdown == "" {
		return nil
	}
	var b strings.Builder
	if err := evaluate.Document(&b, rows); err != nil {
		return err
	}
	if err := os.WriteFile(f.markdown, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}

// paperFigures makes figures of one market's rows, the first that there is.
func paperFigures(names []string, cases []comparison.Case, rows []comparison.Ran) ([]figures.Figure, error) {
	market := cases[0].Market.Name
	cases = slices.DeleteFunc(slices.Clone(cases), func(c comparison.Case) bool { return c.Market.Name != market })
	rows = slices.DeleteFunc(slices.Clone(rows), func(r comparison.Ran) bool { return r.Row.Catalogue != market })
	var out []figures.Figure
	for _, name := range names {
		fig, err := evaluate.Figure(name, cases, rows)
		if err != nil {
			return nil, err
		}
		out = append(out, fig)
	}
	return out, nil
}
