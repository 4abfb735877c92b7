package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"paragon/shared/core/arrivals"
	"paragon/shared/core/procurement"
	"paragon/shared/evaluate"
	"paragon/shared/figures"
	"paragon/shared/simulate/spock"
)

const simulateLong = `Play a trace of arrivals against procurement schemes, a query at a time, and say
what each costs and which bounds it misses, beside what a schedule that knows the
arrivals costs and what none can beat.

A trace is CSV: the header second,count (or minute,count, hour,count), then one
row a step from 0 on, without gaps; --format reads others, --generate makes one up.

--catalogue paper2020 has the published latencies and prices of 2020, measured one
engine on both kinds of resource at today's. cost_usd is workers and functions, as
are bound_usd and clairvoyant_usd; what gateway, queues and store cost is
machinery_usd. --preset spock plays Spock's own rules and numbers instead.

--workload 2 plays queries of varied constraints, on latency, accuracy or both, whose
model selection picks, or a naive choice: naive_any draws from all models,
naive_feasible from those that keep the bounds. It says what each choice costs under
each scheme, and which bounds it breaks.`

const simulateExample = `  paragon simulate --trace wits.csv --scale 0.5 --from 3600 --for 3600
  paragon simulate --trace berkeley.csv --scale 20 --scheme reactive,mixed,hedged --json
  paragon simulate --generate flash_crowd --rate 50 --peak 400 --for 1h --report out
  paragon simulate --generate wits-like --for 1h --workload 2 --scheme reactive,paragon,hedged
  paragon simulate --trace wits.csv --scale 0.5 --for 3600 --preset spock`

func (a *app) simulateCommand() *cobra.Command {
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
				return a.simulateConstrained(c.Context(), f, trace)
			}
			return a.simulate(c.Context(), f, trace, preset, report)
		},
	}
	fs := c.Flags()
	fs.StringVar(&trace, "trace", "", "CSV file of counts a step")
	fs.StringVar(&preset, "preset", "", "spock: another system's rules and numbers")
	fs.StringVar(&report, "report", "", "folder for a report in HTML with its plots as SVG and PNG")
	fs.BoolVar(&a.json, "json", false, "print JSON")
	f.addTrace(fs)
	f.add(fs)
	f.addWindow(fs)
	f.addWorkload(fs)
	return c
}

func (a *app) simulate(ctx context.Context, f *caseFlags, trace, preset, report string) error {
	if err := f.check(); err != nil {
		return err
	}
	c, err := f.single(trace)
	if err != nil {
		return err
	}
	if preset != "" {
		return a.preset(preset, c, f, trace)
	}
	schemes, err := f.chosen()
	if err != nil {
		return err
	}
	rows, err := a.play(ctx, c, schemes)
	if err != nil {
		return err
	}
	evaluate.Relate(rows)
	if report != "" {
		if err := writeEvaluation(report, "Schemes on "+c.Name, rows, []figures.Figure{evaluate.CostFigure(rows)}); err != nil {
			return err
		}
	}
	return a.tellRows(rows)
}

// play plays the schemes of one case under a progress bar.
func (a *app) play(ctx context.Context, c evaluate.Case, schemes []procurement.Scheme) ([]evaluate.Ran, error) {
	bar := a.runs(len(schemes) + 2)
	defer bar.finish()
	return evaluate.Play(ctx, c, schemes, bar.ran)
}

// single is the one case that was asked for.
func (f *caseFlags) single(file string) (evaluate.Case, error) {
	if (file == "") == (f.generate == "") {
		return evaluate.Case{}, usagef("give --trace or --generate, and not both")
	}
	read, name := f.made, f.generate
	if file != "" {
		read, name = func() (arrivals.Trace, error) { return readTrace(file, f.format) }, nameOf(file)
	}
	t, err := read()
	if err != nil {
		return evaluate.Case{}, err
	}
	scaled, how, err := f.scaled(t)
	if err != nil {
		return evaluate.Case{}, err
	}
	return f.of(name, scaled, how, f.catalogue)
}

// preset plays another system's rules. Its own trace files tell the type of
// each second's tasks; of others it is drawn.
func (a *app) preset(name string, c evaluate.Case, f *caseFlags, file string) error {
	if name != "spock" {
		return usagef("--preset is spock, not %q", name)
	}
	w, err := c.Trace.Window(c.From, c.For)
	if err != nil {
		return usagef("%v", err)
	}
	seconds, err := spock.FromTrace(w, c.Seed)
	if f.format == "spock" && file != "" {
		seconds, err = readSpock(file, c)
	}
	if err != nil {
		return err
	}
	rows, err := spock.Play(c.Name, seconds, c.Seed)
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(rows)
		return nil
	}
	return spock.Text(a.out, rows)
}

func readSpock(file string, c evaluate.Case) (spock.Seconds, error) {
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

func (a *app) tellRows(rows []evaluate.Ran) error {
	if a.json {
		out := make([]evaluate.Row, len(rows))
		for i, r := range rows {
			out[i] = r.Row
		}
		a.printJSON(out)
		return nil
	}
	if err := evaluate.Text(a.out, rows); err != nil {
		return err
	}
	a.tellEstimates(rows)
	return nil
}

// tellEstimates sets how long a scheme expected static load to last beside how
// long it did.
func (a *app) tellEstimates(rows []evaluate.Ran) {
	for _, r := range rows {
		e := r.Row.StaticEstimate
		switch {
		case e == nil:
		case e.Open == e.Decisions:
			a.printf("%s, %s: load stayed static to the end of the trace\n", r.Row.Trace, r.Row.Scheme)
		default:
			a.printf("%s, %s: static load expected to last %.0f s more (median of %d decisions), %.0f s in truth; error %.0f s median, %.0f s p90; %d more decisions whose end the trace does not show\n",
				r.Row.Trace, r.Row.Scheme, e.MedianEstimate, e.Decisions-e.Open, e.MedianTrue, e.MedianError, e.P90Error, e.Open)
		}
	}
}

// runsBar is the progress bar over a number of runs.
type runsBar struct{ *progressbar.ProgressBar }

// runs returns a bar on stderr, or a silent one when that is no terminal.
func (a *app) runs(n int) runsBar {
	if file, ok := a.err.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		return runsBar{}
	}
	return runsBar{progressbar.NewOptions(n, progressbar.OptionSetWriter(a.err), progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))}
}

func (b runsBar) ran(what string) {
	if b.ProgressBar == nil {
		return
	}
	b.Describe(what)
	_ = b.Add(1) // it only draws
}

func (b runsBar) finish() {
	if b.ProgressBar != nil {
		_ = b.Finish()
	}
}

// writeEvaluation writes one page of HTML, and every figure as data and plots.
func writeEvaluation(folder, title string, rows []evaluate.Ran, figs []figures.Figure) error {
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
