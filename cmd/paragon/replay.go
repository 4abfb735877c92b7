package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"paragon/shared/cloud/local"
	"paragon/shared/core/arrivals"
	"paragon/shared/evaluate"
	"paragon/shared/seen"
)

const replayLong = `Play the arrivals that a home on this machine has seen against every procurement
scheme: the bill that would have been. It reads the data folder, whether or not
a server runs on it, and changes nothing. The share of strict queries is the
measured one unless it is given.

The models, machines and prices are those of --catalogue: what such arrivals would
cost there, not what this machine cost.`

// replayFlags are what `paragon replay` was told besides the case.
type replayFlags struct {
	caseFlags
	data, task string
	since      time.Duration
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
	bar := a.runs(len(schemes) + 2)
	rows, err := evaluate.Play(ctx, c, schemes, bar.ran)
	bar.finish()
	if err != nil {
		return err
	}
	evaluate.Relate(rows)
	return a.tellRows(rows)
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
