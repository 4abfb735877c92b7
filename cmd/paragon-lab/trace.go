package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/evaluate"
	"github.com/paragon-serving/paragon/shared/lab/figures"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

func newTraceCommand(term *cli.Terminal) *cobra.Command {
	c := &cobra.Command{
		Use: "trace", Short: "Describe traces of arrivals, or convert them into Paragon's format",
		Example: "  paragon-lab trace stat wits.csv\n  paragon-lab trace import --format limbo wiki.csv --out trace.csv",
		Args:    cli.KnownCommand, RunE: cli.Help,
	}
	c.AddCommand(newTraceStatCommand(term), newTraceImportCommand(term))
	return c
}

const traceStatLong = `Print the mean, the median and the peak of a trace, and the peak-to-median ratio for each sampling
window. For the ratio, the command counts the arrivals in bins of at least 100 expected arrivals. It
divides the ratio by the ratio that a Poisson process would have. Load with a resulting ratio above
1.5 is called dynamic.`

func newTraceStatCommand(term *cli.Terminal) *cobra.Command {
	f := &caseFlags{}
	var report string
	c := &cobra.Command{
		Use: "stat FILE", Short: "Describe a trace: mean, median, peak, and peak-to-median ratio by window",
		Long: traceStatLong, Example: "  paragon-lab trace stat wits.csv --scale 0.5\n  paragon-lab trace stat berkeley.csv --scale 20 --json\n  paragon-lab trace stat --generate mmpp --report out",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return runTraceStat(term, f, args, report) },
	}
	fs := c.Flags()
	f.addTrace(fs)
	f.Add(fs)
	f.addWindow(fs)
	hideBut(fs, "format", "column", "unit", "generate", "rate", "peak", "period", "at", "scale", "superpose", "from", "for", "seed")
	fs.StringVar(&report, "report", "", "folder for a plot as CSV, SVG and PNG")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

func runTraceStat(term *cli.Terminal, f *caseFlags, args []string, report string) error {
	if err := f.Check(); err != nil {
		return err
	}
	file := ""
	if len(args) == 1 {
		file = args[0]
	}
	c, err := f.single(file)
	if err != nil {
		return err
	}
	w, err := c.Trace.Window(c.From, c.For)
	if err != nil {
		return cli.Usagef("%v", err)
	}
	if report != "" {
		fig, err := evaluate.Figure("6", []comparison.Case{c}, nil)
		if err != nil {
			return err
		}
		fig.Name = "peak-to-median"
		if err := writeEvaluation(report, "Arrivals of "+c.Name, nil, []figures.Figure{fig}); err != nil {
			return err
		}
	}
	s := w.Describe(evaluate.Windows...)
	if term.JSON {
		term.PrintJSON(s)
		return nil
	}
	return printStat(term, s)
}

func printStat(term *cli.Terminal, s arrivals.Stat) error {
	term.Printf("%.0f queries in %.0f s: mean %.2f/s, median %.2f/s, peak %.2f/s", s.Queries, s.Seconds, s.Mean, s.Median, s.Peak)
	if s.Median > 0 { // otherwise the load is mostly idle, and the size of the ratio says nothing
		term.Printf(", peak to median %.2f", s.PeakToMedian)
	}
	term.Printf("\n")
	w := term.Table()
	w.Header("WINDOW\tBIN\tWINDOWS\tPEAK/MEDIAN\tHIGHEST\tDYNAMIC")
	for _, x := range s.Windows {
		fmt.Fprintf(w, "%.0f s\t%.0f s\t%d\t%.2f\t%.2f\t%.0f %%\n", x.WindowSeconds, x.BinSeconds, x.Windows, x.Median, x.Highest, 100*x.Dynamic)
	}
	return w.Flush()
}

const traceImportLong = `Convert a trace of another format into Paragon's CSV format, with counts per second, minute or
hour. The command prints on stderr how it read the file: the format, the column, the number
of rows, the first and the last time.`

func newTraceImportCommand(term *cli.Terminal) *cobra.Command {
	var source arrivals.Source
	var out string
	c := &cobra.Command{
		Use: "import FILE", Short: "Convert a trace of another format into Paragon's CSV",
		Long:    traceImportLong,
		Example: "  paragon-lab trace import --format timestamps AzureLLMInferenceTrace_conv.csv --out azure.csv",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return runTraceImport(term, source, args[0], out) },
	}
	fs := c.Flags()
	addSource(fs, &source)
	fs.StringVar(&out, "out", "", "file to write (default stdout)")
	return c
}

func runTraceImport(term *cli.Terminal, source arrivals.Source, file, out string) error {
	t, u, err := readTrace(file, source)
	if err != nil {
		return err
	}
	spread := ""
	if step := t.WrittenStep(); step != t.Step {
		spread = fmt.Sprintf("; steps of %s, written by %s at the same rate", t.Step, step)
	}
	fmt.Fprintf(term.Err, "%s: %s%s\n", cli.OneLine(file), cli.OneLine(u.String()), spread)
	if out == "" {
		return t.Write(term.Out)
	}
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := t.Write(w); err != nil {
		w.Close()
		return fmt.Errorf("write %s: %w", out, err)
	}
	return w.Close()
}

// hideBut hides the flags that say nothing about a trace.
func hideBut(fs *pflag.FlagSet, names ...string) {
	fs.VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(names, f.Name) })
}
