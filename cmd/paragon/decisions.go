package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/decision"
)

// mostDecisions is how many decisions are listed at most.
const mostDecisions = 1000

// newDecisionsCommand is `paragon decisions`.
func newDecisionsCommand(term *cli.Terminal) *cobra.Command {
	pool, moves, limit := "", false, 20
	c := &cobra.Command{
		Use:   "decisions",
		Short: "List the controller's decisions, newest last",
		Long: `List the controller's latest decisions and the reason for each, newest last. The
controller decides how many workers a pool has, once per tick (setting tick_seconds).
paragon explain, with the id of a decision, prints the whole decision.`,
		Example: `  paragon decisions --moves
  paragon decisions --limit 100 --json | jq -r '.[].line'`,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 || limit > mostDecisions {
				return cli.Usagef("--limit is %d, not within 1 to %d", limit, mostDecisions)
			}
			d, err := operationsOf(c.Context(), term)
			if err != nil {
				return err
			}
			ds, err := d.Decisions(c.Context(), pool, moves, limit)
			if err != nil {
				return err
			}
			printDecisions(term, ds)
			if len(ds) == 0 && !term.JSON {
				fmt.Fprintln(term.Err, noDecision(pool, moves))
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&pool, "pool", "", "pool whose decisions are listed (default the first pool)")
	f.BoolVar(&moves, "moves", false, "list only the decisions that change the fleet")
	f.IntVar(&limit, "limit", limit, "list at most this many decisions, 1 to 1000")
	term.CompleteFlag(c, "pool", completePools(term))
	return term.ServerCommand(c)
}

// noDecision says why no decision is listed.
func noDecision(pool string, moves bool) string {
	what := "No decision"
	if moves {
		what = "No decision that changed the fleet"
	}
	if pool != "" {
		return what + " of pool " + cli.OneLine(pool) + " is stored. `paragon status` lists the pools."
	}
	return what + " is stored."
}

func printDecisions(term *cli.Terminal, ds []api.Decision) {
	if term.JSON {
		term.PrintJSON(ds)
		return
	}
	for i := len(ds) - 1; i >= 0; i-- {
		d := ds[i]
		term.Printf("%s  %s  %s", d.ID, d.At.Local().Format(time.TimeOnly), cli.OneLine(d.Line))
		if d.Outcome != "" {
			term.Printf(" [%s]", cli.OneLine(d.Outcome))
		}
		term.Printf("\n")
	}
}

// explanationIndent is where the text of a line of an explanation begins.
const explanationIndent = 11

// explainTick prints one decision of the controller.
func explainTick(ctx context.Context, term *cli.Terminal, id string) error {
	operations, err := operationsOf(ctx, term)
	if err != nil {
		return err
	}
	d, err := operations.Decision(ctx, id)
	if errors.Is(err, admin.ErrUnknown) {
		return fmt.Errorf("%w; `paragon decisions` lists the stored decisions", err)
	}
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(d)
		return nil
	}
	text := d.Explanation
	if d.Outcome != "" {
		text += "outcome    " + cli.OneLine(d.Outcome) + "\n"
	}
	for line := range strings.Lines(text) {
		term.Printf("%s\n", cli.Wrap(strings.TrimRight(line, "\n"), explanationIndent))
	}
	return nil
}

// newReplayDecisionCommand is `paragon replay-decision`.
func newReplayDecisionCommand(term *cli.Terminal) *cobra.Command {
	file := ""
	c := &cobra.Command{
		Use:   "replay-decision [ID]",
		Short: "Make a stored decision again and compare the results byte by byte",
		Long: `Make a stored decision of the controller again from its stored inputs, and compare
the new result with the stored result byte by byte. The exit status is 1 if they
differ: this version of Paragon would decide otherwise.`,
		Example: `  paragon replay-decision 20260501T120000.000Z-general
  paragon replay-decision --file record.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			raw, err := readRecord(c.Context(), term, file, ids)
			if err != nil {
				return err
			}
			return runReplayDecision(term, raw)
		},
	}
	c.ValidArgsFunction = completeTicks(term)
	c.Flags().StringVar(&file, "file", "", "file with a decision's record, instead of an id")
	return term.ServerCommand(c)
}

// readRecord reads the record to replay.
func readRecord(ctx context.Context, term *cli.Terminal, file string, ids []string) ([]byte, error) {
	if (file == "") == (len(ids) == 0) {
		return nil, cli.Usagef("give either the id of a decision, or --file with its record")
	}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the record: %w", err)
		}
		return raw, nil
	}
	operations, err := operationsOf(ctx, term)
	if err != nil {
		return nil, err
	}
	d, err := operations.Decision(ctx, ids[0])
	return d.Record, err
}

// decisionAgain is what is printed as JSON of a decision that was made again.
type decisionAgain struct {
	Line   string          `json:"line"`
	Same   bool            `json:"same"` // to the byte
	Stored json.RawMessage `json:"stored"`
	Again  json.RawMessage `json:"again"`
}

func runReplayDecision(term *cli.Terminal, raw []byte) error {
	again, same, err := decision.Replay(raw)
	if err != nil {
		return err
	}
	r, err := decision.Read(again)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(decisionAgain{Line: r.String(), Same: same, Stored: raw, Again: again})
	} else {
		term.Printf("%s\n", r)
		printReplayed(term, raw, again, same)
	}
	if !same {
		return errors.New("the decision differs now: another version of Paragon made it, or the record was changed")
	}
	return nil
}

func printReplayed(term *cli.Terminal, stored, again []byte, same bool) {
	if !same {
		term.Printf("stored: %s\nagain:  %s\n", stored, again)
		return
	}
	term.Printf("Both results are equal, byte by byte (%d bytes).\n", len(again))
}
