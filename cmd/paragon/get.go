package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

func newGetCommand(term *cli.Terminal) *cobra.Command {
	wait := 0.0
	c := &cobra.Command{
		Use:   "get [flags] ID...",
		Short: "Print the state, the answer and the path of queries",
		Long: `Print the state and the answer of each query, where it ran, and each step of its path with the
reason. With --json, the command prints one line for each query.`,
		Example: `  paragon get ID
  paragon get --wait 60 ID1 ID2
  paragon get --json ID | jq .trail`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			if err := checkWait(wait); err != nil {
				return err
			}
			return runGet(c.Context(), term, ids, time.Duration(wait*float64(time.Second)))
		},
	}
	c.ValidArgsFunction = completeIDs(term)
	c.Flags().Float64Var(&wait, "wait", 0, "seconds to wait for queries that have not ended")
	return term.ServerCommand(c)
}

func runGet(ctx context.Context, term *cli.Terminal, ids []string, wait time.Duration) error {
	return eachQuery(ctx, term, ids, func(cl *client.Client, id string) (submitted, error) {
		end := term.Now().Add(wait)
		q, err := cl.Get(ctx, id, min(wait, cli.LongestWait))
		if left := end.Sub(term.Now()); err == nil && left > 0 {
			q, err = await(ctx, cl, q, left)
		}
		return ended(id, q), err
	}, func(q api.Query) { printStory(term, q) })
}

// eachQuery does something with several queries by id and shows them in order.
func eachQuery(ctx context.Context, term *cli.Terminal, ids []string, do func(*client.Client, string) (submitted, error), show func(api.Query)) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	print := func(s submitted) {
		if term.JSON {
			term.PrintJSON(queryOrProblem(s))
		} else if s.err != nil {
			if len(ids) > 1 { // that of the only one ends the command
				term.Printf("%s\n", cli.OneLine(s.err.Error()))
			}
		} else {
			show(*s.Query)
		}
	}
	return inOrder(ids, func(id string) submitted {
		s, err := do(cl, id)
		if err != nil {
			return refused(id, fmt.Errorf("%s: %w", id, err))
		}
		return s
	}, print)
}

// queryOrProblem is what --json prints of a query that was asked for by id.
func queryOrProblem(s submitted) any {
	if s.err == nil {
		return s.Query
	}
	return map[string]any{"id": s.File, "problem": s.Problem}
}

// printStory prints one query: a line of summary, then its way.
func printStory(term *cli.Terminal, q api.Query) {
	term.Printf("%s  %s\n", q.ID, strings.TrimSuffix(summary(q), " · "+q.ID))
	term.Printf("  %10s  accepted%s\n", "0", needed(q))
	term.Printf("%s", oneLines(story(q)))
	if q.FinishedAt != nil {
		term.Printf("  %10s  %s%s\n", "+"+cli.Milliseconds(orZero(q.LatencyMS)), q.State, spent(q))
	}
}

// needed reports what was asked of a query, as far as that is known of one without an end.
func needed(q api.Query) string {
	if q.Class == "" {
		return ""
	}
	bound := cli.Milliseconds(float64(q.DeadlineAt.Sub(q.AcceptedAt)) / float64(time.Millisecond))
	return fmt.Sprintf(" as %s, bound %s, model %s", q.Class, bound, q.Model)
}

// spent reports where the time went.
func spent(q api.Query) string {
	if orZero(q.ComputeMS) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s queued, %s computing%s)", cli.Milliseconds(orZero(q.QueueMS)), cli.Milliseconds(orZero(q.ComputeMS)), calling(q))
}

// calling reports the time that a function took in addition to its computing: the call and, as
// the answer says, a cold start and pacing.
func calling(q api.Query) string {
	if q.ServedBy == nil || q.ServedBy.Kind != query.OnFunction {
		return ""
	}
	text := cli.Milliseconds(max(0, orZero(q.LatencyMS)-orZero(q.QueueMS)-orZero(q.ComputeMS))) + " calling the function"
	switch by := q.ServedBy; {
	case by.Cold && by.Paced:
		text += ", with its cold start and the wait until the profile's service time has passed"
	case by.Cold:
		text += ", with its cold start"
	case by.Paced:
		text += ", with the wait until the profile's service time has passed"
	}
	return ", " + text
}

// oneLines is oneLine for text of several lines.
func oneLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = cli.OneLine(lines[i])
	}
	return strings.Join(lines, "\n")
}
