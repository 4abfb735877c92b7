package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon-lab/chaos"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

const chaosLong = `Start a stage on this machine, with a changing number of workers and with functions. Send load,
and inject random faults, which a seed determines:
  - kill or freeze a worker, a function or paragon up itself
  - fill the disk (needs root)
  - kill all workers, and prevent launches for some time
  - make the store slow, or make it fail

A separate process counts lost queries, queries that ended twice, expired queries, late
strict queries, and requests that were answered with 5xx. docs/lab/chaos.md lists what Paragon
promises. The exit status is 1 if a promise is broken, or if a kind of fault was never injected. The
command runs on Linux only.`

// chaosFlags are what `paragon-lab chaos` was given.
type chaosFlags struct {
	cfg           chaos.Config
	markdown, out string
}

// newChaosCommand is `paragon-lab chaos`.
func newChaosCommand(term *cli.Terminal) *cobra.Command {
	f := &chaosFlags{}
	c := &cobra.Command{
		Use: "chaos", Short: "Inject faults into Paragon under load, and count lost queries", Long: chaosLong,
		Example: `  paragon-lab chaos
  paragon-lab chaos --for 2m --every 9s --seed 7 --json
  paragon-lab chaos --markdown docs/lab/chaos.md`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runChaos(c.Context(), term, f) },
	}
	fs := c.Flags()
	fs.DurationVar(&f.cfg.Length, "for", 10*time.Minute, "duration of the load, 20s to 24h")
	fs.DurationVar(&f.cfg.Every, "every", 12*time.Second, "length of an interval, 1s to 10m; in each interval the command injects one fault")
	fs.Float64Var(&f.cfg.Rate, "rate", 20, "mean rate of queries per second")
	fs.Float64Var(&f.cfg.ServiceMS, "service-ms", 100, "time in milliseconds that each inference on a runner takes: after a faster inference, the runner waits until this time has passed")
	fs.Float64Var(&f.cfg.StrictMS, "latency-ms", 2000, "latency bound of strict queries in milliseconds")
	fs.Float64Var(&f.cfg.RelaxedMS, "relaxed-latency-ms", 10000, "latency bound of relaxed queries in milliseconds")
	fs.Float64Var(&f.cfg.Objective, "objective", tally.ObjectivePercent, "smallest share of strict queries, in percent, that must keep their bounds; queries that were in progress at a process with a fault do not count")
	fs.Float64Var(&f.cfg.BusyObjective, "busy-objective", tally.ObjectivePercent, "objective that replaces --objective if other work delays the sending of at least 1 % of the queries by 20 ms or more")
	fs.Uint64Var(&f.cfg.Seed, "seed", 1, "seed of arrivals, queries, faults, and the processes that the faults affect")
	fs.StringVar(&f.cfg.Binary, "paragon", "", "path of the paragon binary to start (default the one in this program's folder)")
	fs.StringVar(&f.cfg.Log, "log", "", "file for the output of paragon up")
	fs.StringVar(&f.out, "out", "", "CSV file for one row per query, in the format of paragon-lab load")
	fs.StringVar(&f.markdown, "markdown", "", "file for the report as a Markdown page")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

// check refuses what needs no stage to be refused.
func (f *chaosFlags) check() error {
	c := f.cfg
	switch {
	case c.Length < 20*time.Second || c.Length > 24*time.Hour:
		return cli.Usagef("--for must be 20s to 24h")
	case c.Every < time.Second || c.Every > 10*time.Minute:
		return cli.Usagef("--every must be 1s to 10m")
	case !(c.Rate > 0 && c.Rate <= 1000):
		return cli.Usagef("--rate must be above 0 and at most 1000 queries a second")
	case !(c.ServiceMS >= 1 && c.ServiceMS <= 10000):
		return cli.Usagef("--service-ms must be 1 to 10000")
	case !(c.StrictMS > 0 && c.StrictMS <= maxLoadMS) || !(c.RelaxedMS > 0 && c.RelaxedMS <= maxLoadMS):
		return cli.Usagef("--latency-ms and --relaxed-latency-ms must be above 0 and at most %d", maxLoadMS)
	case !(c.Objective >= 0 && c.Objective <= 100) || !(c.BusyObjective >= 0 && c.BusyObjective <= 100):
		return cli.Usagef("--objective and --busy-objective must be 0 to 100, in percent")
	}
	if out := chaos.LeftOut(chaos.Plan(c.Seed, c.Length, c.Every)); len(out) > 0 {
		return cli.Usagef("--for %v with --every %v is too short for one fault of each kind; it leaves out %d kinds, among them %q: give a longer --for or a shorter --every", c.Length, c.Every, len(out), out[0])
	}
	return nil
}

func runChaos(ctx context.Context, term *cli.Terminal, f *chaosFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	bodies, err := loadBodies(&loadFlags{model: chaos.Model, latencyMS: f.cfg.StrictMS, relaxedMS: f.cfg.RelaxedMS}, pictures)
	if err != nil {
		return err
	}
	if f.cfg.Binary, err = binaryOr(f.cfg.Binary); err != nil {
		return err
	}
	bar := newLoadBar(term, f.cfg.Length)
	f.cfg.Bodies, f.cfg.Inputs = bodies.of, bodies.inputs()
	rows, err := newRows(f.out)
	if err != nil {
		return err
	}
	f.cfg.Progress = func(r load.Row, finished, answered int, last chaos.Kind) {
		rows.add(r)
		bar.show(r.Intended, finished, answered, "; "+string(last))
	}
	r, err := chaos.Run(ctx, f.cfg)
	bar.finish()
	if err := errors.Join(err, rows.close()); err != nil {
		return err
	}
	return f.report(term, r)
}

// report prints what a run showed. An error names the promises that were broken.
func (f *chaosFlags) report(term *cli.Terminal, r chaos.Report) error {
	if f.markdown != "" {
		if err := os.WriteFile(f.markdown, []byte(r.Page()), 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if term.JSON {
		term.PrintJSON(r)
	} else if err := r.Print(term.Out); err != nil {
		return err
	}
	if len(r.Broken) > 0 {
		return fmt.Errorf("the run failed for %d reasons: %s", len(r.Broken), strings.Join(r.Broken, "; "))
	}
	return nil
}

// binaryOr is the paragon that was named, or the one in this program's folder.
func binaryOr(named string) (string, error) {
	if named == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find the program paragon in this program's folder: %w", err)
		}
		named = filepath.Join(filepath.Dir(self), "paragon")
	}
	path, err := filepath.Abs(named)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("find paragon: %w; build it with `make build`", err)
	}
	return path, nil
}
