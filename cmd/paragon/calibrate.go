package main

import (
	"context"
	"fmt"
	"math"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragon/demo"
	"paragon/shared/core/arrivals"
	"paragon/shared/load"
)

const calibrateLong = `Record runs of a whole Paragon on this machine under load, simulate the same load
under the same scheme, and tell by how much the simulation is off in cost, in
workers over time and in bounds missed. Without a trace there are two: the flash
crowd of paragon demo, and a day that swells and ebbs, in an hour.

Exit status 1 when the simulation is off by more than 5 % in cost or in mean
workers: then what it says of savings is not worth quoting.`

// calibrateCommand is `paragon calibrate`.
func (a *app) calibrateCommand() *cobra.Command {
	f := &demoFlags{}
	c := &cobra.Command{
		Use: "calibrate", Short: "Hold the simulator to runs on this machine", Long: calibrateLong,
		Example: `  paragon calibrate
  paragon calibrate --scheme hedged --time-scale 20 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.calibrate(c.Context(), f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.cfg.Scheme, "scheme", "paragon", "procurement scheme: one of `paragon compare`'s")
	fs.Float64Var(&f.cfg.TimeScale, "time-scale", 10, "seconds of the trace in one second, 1 to 60")
	fs.IntVar(&f.cfg.Workers, "workers", 1, "workers at the start")
	fs.StringVar(&f.trace, "trace", "", "CSV file of counts a step (default the two that are made up)")
	fs.Float64Var(&f.scale, "scale", 1, "multiply the counts of the trace")
	fs.DurationVar(&f.from, "from", 0, "where in the trace to begin")
	fs.DurationVar(&f.length, "for", time.Hour, "how much of it to play")
	fs.Float64Var(&f.rate, "rate", 5, "queries a second at the lowest of those that are made up")
	fs.Uint64Var(&f.cfg.Seed, "seed", 1, "seed of arrivals, classes and pictures")
	fs.BoolVar(&a.json, "json", false, "print JSON")
	f.cfg.Functions, f.cfg.StrictShare, f.cfg.StrictMS, f.cfg.RelaxedMS = true, 0.5, 1000, 10000
	f.cfg.ServiceMS, f.cfg.Model = 250, "cnn"
	return c
}

// calibration is one run beside its simulation.
type calibration struct {
	Trace  string      `json:"trace"`
	Report demo.Report `json:"report"`
}

func (a *app) calibrate(ctx context.Context, f *demoFlags) error {
	traces, err := f.calibrationTraces()
	if err != nil {
		return err
	}
	f.cfg.Log = a.logger(false)
	f.cfg.Sender = func(url string) (load.Send, int, error) { return a.sender(f, url) }
	if !a.json {
		f.cfg.Progress = a.demoProgress()
	}
	var runs []calibration
	good := true
	for _, t := range traces {
		f.cfg.Trace = t.trace
		r, err := demo.Run(ctx, f.cfg)
		if err != nil {
			return err
		}
		runs, good = append(runs, calibration{t.name, r}), good && r.Calibrated()
	}
	if err := a.printCalibration(runs); err != nil {
		return err
	}
	if !good {
		return fmt.Errorf("the simulation is off by more than 5 %%: no saving is to be read from it")
	}
	return nil
}

// namedTrace is a trace to calibrate by.
type namedTrace struct {
	name  string
	trace arrivals.Trace
}

func (f *demoFlags) calibrationTraces() ([]namedTrace, error) {
	if f.trace != "" {
		t, err := f.load()
		return []namedTrace{{f.trace, t}}, err
	}
	day := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(f.length/time.Second))}
	for i := range day.Counts {
		day.Counts[i] = f.rate * (2.5 - 1.5*math.Cos(2*math.Pi*float64(i)/float64(len(day.Counts))))
	}
	return []namedTrace{{"flash crowd", demo.Crowd(f.rate, f.length)}, {"day", day}}, nil
}

func (a *app) printCalibration(runs []calibration) error {
	if a.json {
		a.printJSON(runs)
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TRACE\tCOST SEEN\tERROR\tWORKERS SEEN\tERROR\tSTRICT MISSED\tSIMULATED")
	for _, k := range runs {
		r, simulated := k.Report, 0.0
		for _, o := range r.Others {
			if o.Scheme == r.Scheme {
				simulated = o.StrictViolationPercent
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%+.1f %%\t%.1f\t%+.1f %%\t%.2f %%\t%.2f %%\n", k.Trace, dollars(r.CostUSD), r.CostErrorPercent,
			r.WorkersMean, r.WorkersErrorPercent, 100-r.StrictMetPercent, simulated)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the calibration: %w", err)
	}
	return nil
}
