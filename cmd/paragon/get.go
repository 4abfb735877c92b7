package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/shared/api"
	"paragon/shared/client"
)

func (a *app) getCommand() *cobra.Command {
	wait := 0.0
	c := &cobra.Command{
		Use:   "get [flags] ID...",
		Short: "Tell what became of queries: which ran where, and why",
		Long: `Tell what became of queries: the answer, where each one ran, and every step of
its way with the reason. With --json each query is one line.`,
		Example: `  paragon get q01jd3v7
  paragon get --wait 60 q01jd3v7 q01jd3v8
  paragon get --json q01jd3v7 | jq .trail`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			if err := checkWait(wait); err != nil {
				return err
			}
			return a.get(c.Context(), ids, time.Duration(wait*float64(time.Second)))
		},
	}
	c.ValidArgsFunction = a.completeIDs
	c.Flags().Float64Var(&wait, "wait", 0, "seconds to wait for queries that are not finished")
	return a.clientCommand(c)
}

func (a *app) get(ctx context.Context, ids []string, wait time.Duration) error {
	return a.each(ctx, ids, func(cl *client.Client, id string) (submitted, error) {
		end := a.now().Add(wait)
		q, err := cl.Get(ctx, id, min(wait, longestWait))
		if left := end.Sub(a.now()); err == nil && left > 0 {
			q, err = await(ctx, cl, q, left)
		}
		return ended(id, q), err
	}, a.printStory)
}

// each does something with several queries by id and shows them in order.
func (a *app) each(ctx context.Context, ids []string, do func(*client.Client, string) (submitted, error), show func(api.Query)) error {
	cl, err := a.connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	print := func(s submitted) {
		if a.json {
			a.printJSON(queryOrProblem(s))
		} else if s.err != nil {
			a.printf("%s: %s\n", oneLine(s.File), oneLine(s.err.Error()))
		} else {
			show(*s.Query)
		}
	}
	return inOrder(ids, func(id string) submitted {
		s, err := do(cl, id)
		if err != nil {
			return refused(id, err)
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

// printStory tells one query: a line of summary, then its way.
func (a *app) printStory(q api.Query) {
	a.printf("%s  %s\n", q.ID, strings.TrimSuffix(summary(q), " · "+q.ID))
	a.printf("  %10s  accepted%s\n", "0", needed(q))
	a.printf("%s", oneLines(story(q)))
	if q.FinishedAt != nil {
		a.printf("  %10s  %s%s\n", "+"+milliseconds(orZero(q.LatencyMS)), q.State, spent(q))
	}
}

// needed tells what was asked of a query, as far as that is known of one without an end.
func needed(q api.Query) string {
	if q.Class == "" {
		return ""
	}
	bound := milliseconds(float64(q.DeadlineAt.Sub(q.AcceptedAt)) / float64(time.Millisecond))
	return fmt.Sprintf(" as %s, bound %s, model %s", q.Class, bound, q.Model)
}

// spent tells where the time went.
func spent(q api.Query) string {
	if orZero(q.ComputeMS) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s queued, %s computing)", milliseconds(orZero(q.QueueMS)), milliseconds(orZero(q.ComputeMS)))
}

// oneLines is oneLine for text of several lines.
func oneLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = oneLine(lines[i])
	}
	return strings.Join(lines, "\n")
}
