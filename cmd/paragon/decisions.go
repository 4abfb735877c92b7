package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
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
	q, before, all := api.DecisionQuery{Limit: 100}, "", false
	c := &cobra.Command{
		Use:   "decisions",
		Short: "List the controller's decisions, newest last",
		Long: `List the controller's latest decisions with their reasons, newest last. Every 10 s by default
(setting tick_seconds), the controller decides how many workers a pool has. A pool is a group of
workers; in an account, the workers of one Auto Scaling group. ` + "`paragon explain`" + ` prints one decision
in full.

Successive decisions that keep the number of workers, or that give the same reason, share one line.
This line shows the newest decision, the number of decisions and the time of the oldest. --all
prints one line per decision.`,
		Example: `  paragon decisions --moves
  paragon decisions --before 20260501T120000.000Z-general
  paragon decisions --before 2h --limit 50
  paragon decisions --limit 100 --json | jq -r '.[].line'`,
		RunE: func(c *cobra.Command, _ []string) error {
			if q.Limit < 1 || q.Limit > mostDecisions {
				return cli.Usagef("--limit is %d, not within 1 to %d", q.Limit, mostDecisions)
			}
			if err := setBefore(&q, before, term.Now()); err != nil {
				return err
			}
			d, err := operationsOf(c.Context(), term)
			if err != nil {
				return err
			}
			ds, err := d.Decisions(c.Context(), q)
			if err != nil {
				return err
			}
			printDecisions(term, ds, all)
			switch {
			case term.JSON:
			case len(ds) == 0:
				fmt.Fprintln(term.Err, noDecision(q))
			case len(ds) == q.Limit:
				fmt.Fprintf(term.Err, "For older decisions add --before %s\n", cli.OneLine(ds[len(ds)-1].ID))
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&q.Pool, "pool", "", "pool whose decisions are listed (default the first by name)")
	f.BoolVar(&q.Moves, "moves", false, "list only the decisions that change the number of workers")
	f.BoolVar(&all, "all", false, "print one line per decision; --json always lists each decision")
	f.IntVar(&q.Limit, "limit", q.Limit, "list at most this many decisions, 1 to 1000")
	f.StringVar(&before, "before", "", "list only decisions before this decision (by its id) or time: 2026-05-01T12:00:00Z, or 2h for two hours ago")
	term.CompleteFlag(c, "pool", completePools(term))
	return term.ServerCommand(c)
}

// decisionID is the form of a decision's id: its time and its pool.
var decisionID = regexp.MustCompile(`^\d{8}T\d{6}\.\d{3}Z-`)

// setBefore has the decisions before one, or before a moment, listed.
func setBefore(q *api.DecisionQuery, before string, now time.Time) error {
	if before == "" || decisionID.MatchString(before) {
		q.Before = before
		return nil
	}
	at, err := moment("--before", before, now)
	if err != nil {
		return cli.Usagef("%v, nor the id of a decision", err)
	}
	q.Before = decision.IDAt(at)
	return nil
}

// noDecision says why no decision is listed.
func noDecision(q api.DecisionQuery) string {
	what := "No decision"
	if q.Moves {
		what = "No decision that changed the number of workers"
	}
	if q.Before != "" {
		what += " before " + cli.OneLine(q.Before)
	}
	if q.Pool != "" {
		return what + " of pool " + cli.OneLine(q.Pool) + " is stored. `paragon status` lists the pools."
	}
	return what + " is stored."
}

// printDecisions prints decisions that are listed newest first, oldest first.
func printDecisions(term *cli.Terminal, ds []api.Decision, all bool) {
	if term.JSON {
		term.PrintJSON(ds)
		return
	}
	for end := len(ds); end > 0; {
		first := end - 1
		for !all && first > 0 && alike(ds[first], ds[first-1]) {
			first--
		}
		printDecision(term, ds[first:end])
		end = first
	}
}

// alike reports whether two successive decisions are listed as one, as on the page.
func alike(older, newer api.Decision) bool {
	return older.Pool == newer.Pool && older.Moves == newer.Moves && older.Outcome == newer.Outcome && (!older.Moves || older.Line == newer.Line)
}

// printDecision prints the newest of decisions that are alike, and since when there are how many.
func printDecision(term *cli.Terminal, ds []api.Decision) {
	d := ds[0]
	term.Printf("%s  %s  %s", d.ID, d.At.Local().Format(time.TimeOnly), cli.OneLine(d.Line))
	if d.Outcome != "" {
		term.Printf(" [%s]", cli.OneLine(d.Outcome))
	}
	if n := len(ds); n > 1 {
		term.Printf(" (%d such decisions since %s)", n, ds[n-1].At.Local().Format(time.TimeOnly))
	}
	term.Printf("\n")
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
		Long: `Make a stored decision of the controller again from its stored inputs, and compare the two results
byte by byte. If they differ, this version of Paragon would decide differently, and the exit status
is 1.`,
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
		return errors.New("the new result differs from the stored result: another version of Paragon made the stored decision, or its record was changed")
	}
	return nil
}

func printReplayed(term *cli.Terminal, stored, again []byte, same bool) {
	if !same {
		term.Printf("stored: %s\nagain:  %s\n", stored, again)
		return
	}
	term.Printf("The new result and the stored result are equal, byte by byte (%d bytes).\n", len(again))
}
