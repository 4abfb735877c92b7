package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"paragon/shared/api"
	"paragon/shared/core/decision"
)

// decisionsCommand is `paragon decisions`.
func (a *app) decisionsCommand() *cobra.Command {
	pool, moves, limit := "", false, 20
	c := &cobra.Command{
		Use:   "decisions",
		Short: "List what the controller decided, newest last",
		Long: `List what the controller decided in its last ticks and why, the newest last.
The id of a tick leads to all of it: paragon explain --tick ID.`,
		Example: `  paragon decisions --moves
  paragon decisions --limit 100 --json | jq -r '.[].line'`,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := a.desk(c.Context())
			if err != nil {
				return err
			}
			ds, err := d.Decisions(c.Context(), pool, moves, limit)
			if err != nil {
				return err
			}
			a.printDecisions(ds)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&pool, "pool", "", "the pool (default the first one)")
	f.BoolVar(&moves, "moves", false, "only those that change the fleet")
	f.IntVar(&limit, "limit", limit, "how many, 1 to 1000")
	return a.clientCommand(c)
}

func (a *app) printDecisions(ds []api.Decision) {
	if a.json {
		a.printJSON(ds)
		return
	}
	for i := len(ds) - 1; i >= 0; i-- {
		d := ds[i]
		a.printf("%s  %s  %s", d.ID, d.At.Local().Format(time.TimeOnly), oneLine(d.Line))
		if d.Outcome != "" {
			a.printf(" [%s]", oneLine(d.Outcome))
		}
		a.printf("\n")
	}
}

// explainTick tells one decision of the controller.
func (a *app) explainTick(ctx context.Context, id string) error {
	desk, err := a.desk(ctx)
	if err != nil {
		return err
	}
	d, err := desk.Decision(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		a.printJSON(d)
		return nil
	}
	a.printf("%s", d.Explanation)
	if d.Outcome != "" {
		a.printf("outcome    %s\n", oneLine(d.Outcome))
	}
	return nil
}

// replayDecisionCommand is `paragon replay-decision`.
func (a *app) replayDecisionCommand() *cobra.Command {
	file := ""
	c := &cobra.Command{
		Use:   "replay-decision [ID]",
		Short: "Make a stored decision again and compare it to the byte",
		Long: `Make a stored decision again, from all that it was made from, and compare what
comes out with what was stored, to the byte. Exit status 1 when they differ: then
this version of Paragon would decide otherwise.`,
		Example: `  paragon replay-decision 20260501T120000.000Z-general
  paragon replay-decision --file record.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			raw, err := a.record(c.Context(), file, ids)
			if err != nil {
				return err
			}
			return a.replayDecision(raw)
		},
	}
	c.Flags().StringVar(&file, "file", "", "file with a record, instead of an id")
	return a.clientCommand(c)
}

// record reads the record to replay.
func (a *app) record(ctx context.Context, file string, ids []string) ([]byte, error) {
	if (file == "") == (len(ids) == 0) {
		return nil, usagef("name a decision by its id, or a file with its record")
	}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		return raw, nil
	}
	desk, err := a.desk(ctx)
	if err != nil {
		return nil, err
	}
	d, err := desk.Decision(ctx, ids[0])
	return d.Record, err
}

func (a *app) replayDecision(raw []byte) error {
	again, same, err := decision.Replay(raw)
	if err != nil {
		return err
	}
	r, err := decision.Read(again)
	if err != nil {
		return err
	}
	a.printf("%s\n", r)
	if !same {
		a.printf("stored: %s\nagain:  %s\n", raw, again)
		return fmt.Errorf("the decision comes out otherwise: another version of Paragon made it, or the record was changed")
	}
	a.printf("the same, to the byte (%d bytes)\n", len(again))
	return nil
}
