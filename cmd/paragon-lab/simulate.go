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

const simulateLong = `Simulate procurement schemes (rules that set the number of workers) on a trace of arrivals,
query by query. For each scheme, print its cost and the share of queries that miss their bounds.
docs/lab/simulator.md describes the simulation.

A trace is a CSV file with the header second,count (or minute,count or hour,count), and one
row per step, from step 0 on, without gaps. --format reads other formats, and --generate
generates a trace.

The catalogue paper2020 has the published latencies and prices of 2020. The catalogue
cocktail2022 has latencies of one inference engine on VMs and functions, with today's prices.
--preset spock simulates another system, Spock, with its own rules and numbers.

Fields of the output with costs:
  bill_usd         the whole bill: cost_usd + machinery_usd
  cost_usd         the cost of workers and functions
  machinery_usd    the cost of gateway, queues and store; the field machinery lists this cost for
                   each path of the queries

The other costs are only those of workers and functions:
  clairvoyant_usd  the cost of a schedule that knows all arrivals
  linear_usd       the cost in the linear program from which this schedule is derived; no schedule
                   that keeps the bounds costs less
  bound_usd        the lower bound; no schedule that answers all queries costs less

The simulation also has rivals (rules of other systems), behind the same gateway: target_tracking
(EC2 Auto Scaling), kpa (Knative), and all_functions and managed_instances (both on Lambda). The
rival quantile runs on Paragon's own workers.

--workload 2 plays queries with bounds on latency, accuracy or both, and compares ways to choose the
model: Paragon's selection, naive_any (a random model) and naive_feasible (a random model that keeps
the bounds). For each way and each scheme, the command prints the cost and the broken bounds.`

const simulateExample = `  paragon-lab simulate --trace wits.csv --scale 0.5 --from 3600 --for 3600
  paragon-lab simulate --trace berkeley.csv --scale 20 --scheme reactive,mixed,hedged --json
  paragon-lab simulate --generate flash_crowd --rate 50 --peak 400 --for 1h --report out
  paragon-lab simulate --generate wits-like --for 1h --workload 2 --scheme reactive,paragon,hedged
  paragon-lab simulate --trace wits.csv --scale 0.5 --for 3600 --preset spock`

func newSimulateCommand(term *cli.Terminal) *cobra.Command {
	f := &caseFlags{}
	var trace, preset, report string
	c := &cobra.Command{
		Use: "simulate", Short: "Simulate procurement schemes on a trace, and print their costs",
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
	fs.StringVar(&trace, "trace", "", "CSV file of a trace, with the number of arrivals in each step")
	fs.StringVar(&preset, "preset", "", "rules and numbers of another system: spock")
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
		return comparison.Case{}, cli.Usagef("give either --trace or --generate, not both")
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
		return cli.Usagef("--preset must be spock, not %q", name)
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
