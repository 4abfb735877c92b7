package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragon/machine"
	"paragon/shared/cloud/local"
	"paragon/shared/core/arrivals"
	"paragon/shared/core/settings"
	"paragon/shared/evaluate"
	"paragon/shared/seen"
	"paragon/shared/simulate"
)

const replayLong = `Play the arrivals that a home on this machine has seen against every procurement
scheme: the bill that would have been. It reads the data folder, whether or not
a server runs on it, and changes nothing. The share of strict queries is the
measured one unless it is given.

It tells them only when paragon calibrate has found on this home that the
simulation is close; else it says why not and what to do. The simulated
controller guards its fleet as a home's does, by the settings given with --set;
without max_workers among them the number of workers is not capped.

The models, machines and prices are those of --catalogue: what such arrivals would
cost there, not what this machine cost.`

// replayFlags are what `paragon replay` was told besides the case.
type replayFlags struct {
	caseFlags
	data, task string
	since      time.Duration
	// uncalibrated prints costs without a calibration that vouches for them.
	uncalibrated bool
}

func (a *app) replayCommand() *cobra.Command {
	f := &replayFlags{since: 24 * time.Hour}
	c := &cobra.Command{
		Use: "replay", Short: "Price your own arrivals under every scheme",
		Long: replayLong, Example: "  paragon replay --data data --task fashion\n  paragon replay --task fashion --since 2h --scale 10 --json",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			return a.replay(c.Context(), f, c.Flags().Changed("strict-share"))
		},
	}
	fs := c.Flags()
	f.add(fs)
	fs.StringVar(&f.data, "data", "data", "data folder of the home")
	fs.StringVarP(&f.task, "task", "t", "", "whose arrivals to play")
	fs.Var(lengthOf{&f.since}, "since", "how far back to go; a home keeps a day")
	fs.BoolVar(&f.uncalibrated, "uncalibrated", false, "print costs, without savings, though no calibration vouches for them")
	fs.BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *app) replay(ctx context.Context, f *replayFlags, shareGiven bool) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.task == "" {
		return usagef("name a task with --task")
	}
	schemes, err := f.chosen()
	if err != nil {
		return err
	}
	t, share, err := a.seen(ctx, f)
	if err != nil {
		return err
	}
	verdict := machine.JudgeCalibration(f.data)
	if !verdict.Quoted && !f.uncalibrated {
		return fmt.Errorf("%s; or add --uncalibrated for costs that nothing vouches for", verdict)
	}
	if !shareGiven {
		f.strictShare = share
	}
	scaled, how, err := f.scaled(t)
	if err != nil {
		return err
	}
	c, err := f.of(f.task, scaled, how, f.catalogue)
	if err != nil {
		return err
	}
	f.asHome(&c)
	bar := a.runs(len(schemes) + 2)
	rows, err := evaluate.Play(ctx, c, schemes, bar.ran)
	bar.finish()
	if err != nil {
		return err
	}
	if verdict.Quoted {
		evaluate.Relate(rows)
	}
	fmt.Fprintln(a.err, verdict)
	return a.tellRows(rows)
}

// manyWorkers is the highest max_workers.
const manyWorkers = 2000

// asHome plays a case as it was calibrated: as a home runs it. What such
// arrivals cost elsewhere is not bound by this home's max_workers; one that is
// given holds.
func (f *replayFlags) asHome(c *evaluate.Case) {
	c.Home = &simulate.Home{}
	if c.Settings.MaxWorkers == settings.Defaults().MaxWorkers {
		c.Settings.MaxWorkers = manyWorkers
	}
}

// seen reads the arrivals of a task and the share of strict ones.
func (a *app) seen(ctx context.Context, f *replayFlags) (arrivals.Trace, float64, error) {
	h, err := local.ReadHistory(ctx, filepath.Join(f.data, "paragon.db"))
	if err != nil {
		return arrivals.Trace{}, 0, err
	}
	defer h.Close()
	to := a.now().UTC().Truncate(time.Second)
	l, err := seen.Read(ctx, h, []string{f.task}, to.Add(-f.since), to)
	if err != nil {
		return arrivals.Trace{}, 0, err
	}
	if l = l.Trimmed(); len(l.Trace.Counts) == 0 {
		return arrivals.Trace{}, 0, fmt.Errorf("no arrivals of task %q are stored there", f.task)
	}
	return l.Trace, l.StrictShare, nil
}
