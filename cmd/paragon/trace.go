package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"paragon/shared/core/arrivals"
	"paragon/shared/evaluate"
	"paragon/shared/figures"
)

func (a *app) traceCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "trace", Short: "Look at traces of arrivals, and bring them into Paragon's format",
		Example: "  paragon trace stat wits.csv\n  paragon trace import --format limbo wiki.csv --out trace.csv",
		Args:    a.knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.traceStatCommand(), a.traceImportCommand())
	return c
}

const traceStatLong = `Describe a trace: mean, median and peak, and by sampling window the ratio of peak
to median, over bins of at least 100 expected arrivals, with the peak that chance
alone gives divided out. Load above 1.5 is dynamic.`

func (a *app) traceStatCommand() *cobra.Command {
	f := &caseFlags{}
	var report string
	c := &cobra.Command{
		Use: "stat FILE", Short: "Describe a trace: mean, median, peak, peak-to-median by window",
		Long: traceStatLong, Example: "  paragon trace stat wits.csv --scale 0.5\n  paragon trace stat berkeley.csv --scale 20 --json\n  paragon trace stat --generate mmpp --report out",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.traceStat(f, args, report) },
	}
	fs := c.Flags()
	f.addTrace(fs)
	f.add(fs)
	f.addWindow(fs)
	hideBut(fs, "format", "generate", "rate", "peak", "period", "at", "scale", "superpose", "from", "for", "seed")
	fs.StringVar(&report, "report", "", "folder for the plot as data, SVG and PNG")
	fs.BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *app) traceStat(f *caseFlags, args []string, report string) error {
	if err := f.check(); err != nil {
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
		return usagef("%v", err)
	}
	if report != "" {
		fig, err := evaluate.Figure("6", []evaluate.Case{c}, nil)
		if err != nil {
			return err
		}
		fig.Name = "peak-to-median"
		if err := writeEvaluation(report, "Arrivals of "+c.Name, nil, []figures.Figure{fig}); err != nil {
			return err
		}
	}
	s := w.Describe(evaluate.Windows...)
	if a.json {
		a.printJSON(s)
		return nil
	}
	return a.tellStat(s)
}

func (a *app) tellStat(s arrivals.Stat) error {
	a.printf("%.0f queries in %.0f s: mean %.2f/s, median %.2f/s, peak %.2f/s, peak to median %.2f\n",
		s.Queries, s.Seconds, s.Mean, s.Median, s.Peak, s.PeakToMedian)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WINDOW\tBIN\tWINDOWS\tPEAK/MEDIAN\tHIGHEST\tDYNAMIC")
	for _, x := range s.Windows {
		fmt.Fprintf(w, "%.0f s\t%.0f s\t%d\t%.2f\t%.2f\t%.0f %%\n", x.WindowSeconds, x.BinSeconds, x.Windows, x.Median, x.Highest, 100*x.Dynamic)
	}
	return w.Flush()
}

func (a *app) traceImportCommand() *cobra.Command {
	f := &caseFlags{}
	var out string
	c := &cobra.Command{
		Use: "import FILE", Short: "Bring a trace of another format into Paragon's CSV",
		Example: "  paragon trace import --format timestamps AzureLLMInferenceTrace_conv.csv --out azure.csv",
		Args:    cobra.ExactArgs(1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.traceImport(f, args[0], out) },
	}
	fs := c.Flags()
	f.addTrace(fs)
	hideBut(fs, "format")
	fs.StringVar(&out, "out", "", "file to write (default stdout)")
	return c
}

func (a *app) traceImport(f *caseFlags, file, out string) error {
	t, err := readTrace(file, f.format)
	if err != nil {
		return err
	}
	if out == "" {
		return t.Write(a.out)
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
