package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
)

const redriveLong = `Submit the queries of dead letters again. A dead letter is a queue message whose query failed on
every attempt, or crashed too many workers. First repair the cause of the failures, which
` + "`paragon status`" + ` and ` + "`paragon logs`" + ` show.

Paragon submits the input as a new query of the same owner. The new query has as much time until it
expires as the first query had. Its field retry_of names the first query. The first query keeps its
state. If you repeat the command, it submits the input once more only if the new query has expired.

If a query never ended, Paragon first records the query as failed. If a query has already been
answered or cancelled, Paragon drops the dead letter. Paragon keeps uploads for a day. It cannot
submit an older query with an uploaded input again.

Strict queries (with a latency bound below 2 s) go to the overflow queue, for inference functions.
Relaxed queries (all others) go to the work queue of their pool (group of workers).`

// redriveFlags are the flags of `paragon redrive`.
type redriveFlags struct {
	queue  string
	limit  int
	dryRun bool
}

const (
	mostLetters = 1000 // that one command puts back
	perRedrive  = 10   // that one request puts back, so that the bar moves
)

// newRedriveCommand is `paragon redrive`.
func newRedriveCommand(term *cli.Terminal) *cobra.Command {
	f := &redriveFlags{limit: mostLetters}
	c := &cobra.Command{
		Use: "redrive", Short: "Submit the queries of dead letters again", Long: redriveLong,
		Example: "  paragon redrive --dry-run\n  paragon redrive\n  paragon redrive --stage prod --queue work --limit 100",
		RunE:    func(c *cobra.Command, _ []string) error { return runRedrive(c.Context(), term, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.queue, "queue", "", "send all queries to this queue: overflow or work (default: strict queries to overflow, relaxed queries to work)")
	fs.IntVar(&f.limit, "limit", f.limit, fmt.Sprintf("submit at most this many queries again, 1 to %d", mostLetters))
	fs.BoolVar(&f.dryRun, "dry-run", false, "print which queries would be submitted again, and change nothing")
	term.CompleteValues(c, "queue", "overflow", "work")
	return term.ServerCommand(c)
}

func (f *redriveFlags) check() error {
	if f.limit < 1 || f.limit > mostLetters {
		return cli.Usagef("--limit must be within 1 to %d", mostLetters)
	}
	if f.queue != "" && f.queue != "overflow" && f.queue != "work" {
		return cli.Usagef("--queue must be overflow or work")
	}
	return nil
}

func runRedrive(ctx context.Context, term *cli.Terminal, f *redriveFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	d, err := operationsOf(ctx, term)
	if err != nil {
		return err
	}
	var done api.DeadLetters
	if f.dryRun {
		done, err = d.DeadLetters(ctx, f.queue, f.limit)
	} else {
		done, err = putBack(ctx, term, d, f)
	}
	if err != nil && len(done.Letters) == 0 {
		return err
	}
	printLetters(term, done, f.dryRun)
	return err
}

// putBack puts dead letters back, a few at a time, until there are none. How
// many wait is an estimate, for the bar.
func putBack(ctx context.Context, term *cli.Terminal, d redriver, f *redriveFlags) (api.DeadLetters, error) {
	all := api.DeadLetters{Letters: []api.DeadLetter{}}
	bar := cli.Progress{}
	defer func() { bar.Finish() }()
	for len(all.Letters) < f.limit {
		some, err := d.Redrive(ctx, f.queue, min(perRedrive, f.limit-len(all.Letters)))
		if err != nil {
			return all, err
		}
		all.Waiting = some.Waiting
		if len(some.Letters) == 0 {
			break
		}
		if len(all.Letters) == 0 {
			bar = term.Progress(min(f.limit, len(some.Letters)+some.Waiting))
		}
		for _, l := range some.Letters {
			bar.Step(l.ID)
		}
		all.Letters = append(all.Letters, some.Letters...)
	}
	return all, nil
}

// printLetters reports what was done, or would be.
func printLetters(term *cli.Terminal, d api.DeadLetters, dryRun bool) {
	if term.JSON {
		term.PrintJSON(d)
		return
	}
	count := map[api.RedriveOutcome]int{}
	for _, l := range d.Letters {
		count[l.Outcome]++
		term.Printf("%s  %s  (%s)\n", l.ID, outcomeOf(l), cli.OneLine(l.Why))
	}
	did := ""
	if dryRun {
		did = "that would be "
	}
	term.Printf("Queries %ssubmitted again: %d. Dead letters %sdropped: %d. Dead letters left in the queue: %d.\n",
		did, count[api.Resubmitted], did, count[api.Dropped], d.Waiting)
}

// outcomeOf reports what becomes of a dead letter.
func outcomeOf(l api.DeadLetter) string {
	if l.Outcome != api.Resubmitted {
		return cli.OneLine(string(l.Outcome))
	}
	if l.As == "" {
		return "to be submitted again on " + cli.OneLine(l.Queue)
	}
	return fmt.Sprintf("submitted again as %s on %s", cli.OneLine(l.As), cli.OneLine(l.Queue))
}
