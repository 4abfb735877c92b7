package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon-lab/demo"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

const calibrateLong = `Record runs of a stage on this machine under load, simulate the same load under the same
scheme, and print the error of the simulation: in cost, in the number of workers over time
and in missed bounds. By default, the command makes three runs, each with a generated trace of one
hour: a flash crowd, one slow rise and fall (as in a day), and rush hours. --trace replaces these
traces.

The command stores the result in the data folder. For stages on this machine, paragon replay,
paragon status and the page then print intervals for the costs under other schemes. The width of
the intervals depends on the largest error of these runs.

The exit status is 1 if the error is too large for a useful interval.`

// newCalibrateCommand is `paragon-lab calibrate`.
func newCalibrateCommand(term *cli.Terminal) *cobra.Command {
	f := &calibrateFlags{}
	c := &cobra.Command{
		Use: "calibrate", Short: "Measure the error of the simulator on this machine", Long: calibrateLong,
		Example: `  paragon-lab calibrate
  paragon-lab calibrate --scheme hedged --time-scale 20 --json
  paragon-lab calibrate --trace monday.csv --trace sunday.csv --data data`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runCalibrate(c.Context(), term, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.data, "data", "data", "data folder, in which the result is stored")
	fs.StringVar(&f.cfg.Scheme, "scheme", "paragon", "scheme (the rule that sets the number of workers), one of those of paragon-lab compare")
	fs.Float64Var(&f.cfg.TimeScale, "time-scale", 10, "seconds of the trace that the command plays in one second, 1 to 60")
	fs.IntVar(&f.cfg.Workers, "workers", 1, "number of workers at the start")
	fs.StringArrayVar(&f.traces, "trace", nil, "CSV file of a trace, with the number of arrivals in each step; may be given more than once (default the three generated traces)")
	fs.Float64Var(&f.scale, "scale", 1, "factor by which to multiply the counts of the trace")
	fs.DurationVar(&f.from, "from", 0, "time in the trace at which to begin")
	fs.DurationVar(&f.length, "for", time.Hour, "length of the part of the trace that is played")
	fs.Float64Var(&f.rate, "rate", 5, "lowest rate of the generated traces in queries per second")
	fs.Uint64Var(&f.cfg.Seed, "seed", 1, "seed of arrivals, classes and inputs")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	f.cfg.Functions, f.cfg.StrictShare, f.cfg.StrictMS, f.cfg.RelaxedMS = true, 0.5, 1000, 10000
	f.cfg.ServiceMS = 250
	catalogueFlags(fs, &f.cfg)
	return c
}

// calibrateFlags are what a calibration is made from.
type calibrateFlags struct {
	demoFlags
	traces []string
	data   string
}

// calibrated is one run with its simulation.
type calibrated struct {
	Trace  string      `json:"trace"`
	Report demo.Report `json:"report"`
}

func runCalibrate(ctx context.Context, term *cli.Terminal, f *calibrateFlags) error {
	if err := chooseModel(&f.cfg); err != nil {
		return err
	}
	traces, err := f.toPlay()
	if err != nil {
		return err
	}
	f.cfg.Log = term.Logger(false)
	f.cfg.Sender = func(url string) (load.Send, int, error) { return sender(ctx, term, &f.demoFlags, url) }
	if !term.JSON {
		f.cfg.Progress = demoProgress(term)
	}
	kept := calibration.Report{Version: machine.Version, Scheme: f.cfg.Scheme, Catalogue: f.cfg.Catalogue, TimeScale: f.cfg.TimeScale}
	var runs []calibrated
	for _, t := range traces {
		f.cfg.Trace = t.trace
		r, err := demo.Run(ctx, f.cfg)
		if err != nil {
			return err
		}
		runs, kept.Runs = append(runs, calibrated{t.name, r}), append(kept.Runs, r.Run(t.name, f.cfg.Seed))
	}
	kept.At = term.Now().UTC()
	if err := machine.StoreCalibration(f.data, kept); err != nil {
		return err
	}
	return printVerdict(term, runs, kept, machine.JudgeCalibration(f.data, nil, calibration.Subject{Catalogue: kept.Catalogue, Schemes: []string{kept.Scheme}}))
}

// namedTrace is a trace to calibrate by.
type namedTrace struct {
	name  string
	trace arrivals.Trace
}

// toPlay are the traces that were named, or the three that are made up.
func (f *calibrateFlags) toPlay() ([]namedTrace, error) {
	var out []namedTrace
	for _, file := range f.traces {
		f.trace = file
		t, err := f.load()
		if err != nil {
			return nil, err
		}
		out = append(out, namedTrace{filepath.Base(file), t})
	}
	if len(out) > 0 {
		return out, nil
	}
	day := func(at float64) float64 { return 2.5 - 1.5*math.Cos(2*math.Pi*at) }
	rush := func(at float64) float64 {
		if math.Mod(4*at, 1) < 0.5 {
			return 4
		}
		return 1
	}
	return []namedTrace{{"flash crowd", demo.Crowd(f.rate, f.length)}, {"day", f.shaped(day)}, {"rush hours", f.shaped(rush)}}, nil
}

// shaped is a trace whose rate at a part of it, 0 to 1, is a multiple of the lowest.
func (f *calibrateFlags) shaped(times func(at float64) float64) arrivals.Trace {
	t := arrivals.Trace{Step: time.Second, Counts: make([]float64, int(f.length/time.Second))}
	for i := range t.Counts {
		t.Counts[i] = f.rate * times(float64(i)/float64(len(t.Counts)))
	}
	return t
}

// printVerdict prints the runs and the verdict; an error when the simulation is too
// far off.
func printVerdict(term *cli.Terminal, runs []calibrated, kept calibration.Report, v calibration.Verdict) error {
	if term.JSON {
		term.PrintJSON(runs)
	} else if err := printCalibration(term, kept); err != nil {
		return err
	}
	if !v.Quoted {
		return errors.New(v.String())
	}
	if !term.JSON {
		term.Printf("\n%s.\n", v)
	}
	return nil
}

func printCalibration(term *cli.Terminal, kept calibration.Report) error {
	w := term.Table()
	w.Header("TRACE\tCOST MEASURED\tERROR\tWORKERS MEASURED\tERROR\tERROR OVER TIME\tSTRICT MISSED\tSIMULATED\tRELAXED MISSED\tSIMULATED")
	for _, r := range kept.Runs {
		fmt.Fprintf(w, "%s\t%s\t%+.1f %%\t%.1f\t%+.1f %%\t%.1f %%\t%.2f %%\t%.2f %%\t%.2f %%\t%.2f %%\n", r.Trace, pricing.Dollars(r.CostUSD), r.CostErrorPercent,
			r.WorkersMean, r.WorkersErrorPercent, r.WorkersApartPercent, r.StrictMissedPercent, r.StrictMissedSimulatedPercent,
			r.RelaxedMissedPercent, r.RelaxedMissedSimulatedPercent)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the calibration: %w", err)
	}
	return nil
}
