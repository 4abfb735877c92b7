package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/lab/figures"
	"github.com/paragon-serving/paragon/shared/lab/spock"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

const simulateLong = `Play a trace of arrivals against procurement schemes, a query at a time, and say
what each costs and which bounds it misses, compared with what a schedule that knows the
arrivals costs and what none can beat.

A trace is CSV: the header second,count (or minute,count, hour,count), then one
row a step from 0 on, without gaps; --format reads others, --generate makes one up.

--catalogue paper2020 has the published latencies and prices of 2020, cocktail2022 one
engine on both kinds of resource at today's. bill_usd is the whole bill: cost_usd is
workers and functions, as are bound_usd, clairvoyant_usd and linear_usd, which no schedule
that keeps the bounds is below; what gateway, queues and store cost by the path of each
query is machinery_usd, in machinery by path.
--preset spock plays Spock's own rules and numbers instead.

The schemes are played as a stage runs them, with the settings that it ships with;
--as-stage=false plays them by definition. Beside the schemes stand rivals, behind the
same gateway and on platforms of their own: target_tracking (EC2 Auto Scaling), kpa
(Knative), all_functions and managed_instances (Lambda); quantile runs on Paragon's.

--workload 2 plays queries of varied constraints, on latency, accuracy or both, whose
model selection picks, or a naive choice: naive_any draws from all models,
naive_feasible from those that keep the bounds. It says what each choice costs under
each scheme, and which bounds it breaks.`

const simulateExample = `  paragon-lab simulate --trace wits.csv --scale 0.5 --from 3600 --for 3600
  paragon-lab simulate --trace berkeley.csv --scale 20 --scheme reactive,mixed,hedged --json
  paragon-lab simulate --generate flash_crowd --rate 50 --peak 400 --for 1h --report out
  paragon-lab simulate --generate wits-like --for 1h --workload 2 --scheme reactive,paragon,hedged
  paragon-lab simulate --trace wits.csv --scale 0.5 --for 3600 --preset spock`

func newSimulateCommand(term *cli.Terminal) *cobra.Command {
	f := &caseFlags{}
	var trace, preset, report string
	c := &cobra.Command{
		Use: "simulate", Short: "Play a trace against procurement schemes and say what each costs",
		Long: simulateLong, Example: simulateExample, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			two, err := f.constrained(c.Flags())
			switch {
			case err != nil:
				return err
			case two:
				return runSimulateConstrained(c.Context(), term, f, trace)
			}
			return runSimulate(c.Context(), term, f, trace, preset, report)
		},
	}
	fs := c.Flags()
	fs.StringVar(&trace, "trace", "", "CSV file of counts a step")
	fs.StringVar(&preset, "preset", "", "spock: another system's rules and numbers")
	fs.StringVar(&report, "report", "", "folder for a report in HTML with its plots as SVG and PNG")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	f.addTrace(fs)
	f.Add(fs)
	f.addWindow(fs)
	f.addWorkload(fs)
	f.addStage(fs)
	return c
}

func runSimulate(ctx context.Context, term *cli.Terminal, f *caseFlags, trace, preset, report string) error {
	if err := f.Check(); err != nil {
		return err
	}
	c, err := f.single(trace)
	if err != nil {
		return err
	}
	if preset != "" {
		return playPreset(term, preset, c, f, trace)
	}
	schemes, err := f.Chosen()
	if err != nil {
		return err
	}
	rows, err := term.Play(ctx, c, schemes)
	if err != nil {
		return err
	}
	comparison.Relate(rows)
	if report != "" {
		if err := writeEvaluation(report, "Schemes on "+c.Name, rows, []figures.Figure{evaluate.CostFigure(rows)}); err != nil {
			return err
		}
	}
	return term.PrintRows(rows)
}

// single is the one case that was asked for.
func (f *caseFlags) single(file string) (comparison.Case, error) {
	if (file == "") == (f.generate == "") {
		return comparison.Case{}, cli.Usagef("give --trace or --generate, and not both")
	}
	read, name := f.made, f.generate
	if file != "" {
		read, name = func() (arrivals.Trace, error) { t, _, err := readTrace(file, f.source); return t, err }, nameOf(file)
	}
	t, err := read()
	if err != nil {
		return comparison.Case{}, err
	}
	scaled, how, err := f.Scaled(t)
	if err != nil {
		return comparison.Case{}, err
	}
	return f.Case(name, scaled, how, f.Catalogue)
}

// playPreset plays another system's rules. Its own trace files name the type of
// each second's tasks; of others it is drawn.
func playPreset(term *cli.Terminal, name string, c comparison.Case, f *caseFlags, file string) error {
	if name != "spock" {
		return cli.Usagef("--preset is spock, not %q", name)
	}
	w, err := c.Trace.Window(c.From, c.For)
	if err != nil {
		return cli.Usagef("%v", err)
	}
	seconds, err := spock.FromTrace(w, c.Seed)
	if f.source.Format == "spock" && file != "" {
		seconds, err = readSpock(file, c)
	}
	if err != nil {
		return err
	}
	rows, err := spock.Play(c.Name, seconds, c.Seed)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(rows)
		return nil
	}
	return spock.Text(term.Out, rows)
}

func readSpock(file string, c comparison.Case) (spock.Seconds, error) {
	r, err := os.Open(file)
	if err != nil {
		return spock.Seconds{}, err
	}
	defer r.Close()
	length := c.For
	if length == 0 {
		length = c.Trace.Duration()
	}
	return spock.Read(r, int(c.From/time.Second), int(length/time.Second))
}

// writeEvaluation writes one page of HTML, and every figure as data and plots.
func writeEvaluation(folder, title string, rows []comparison.Ran, figs []figures.Figure) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the folder of the report: %w", err)
	}
	for _, fig := range figs {
		if _, err := writeFigure(folder, fig); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := evaluate.Report(&b, title, rows, figs); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "report.html"), b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
