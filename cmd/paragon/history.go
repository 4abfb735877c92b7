package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

// newHistoryCommand is `paragon history`.
func newHistoryCommand(term *cli.Terminal) *cobra.Command {
	since, model := time.Hour, ""
	c := &cobra.Command{
		Use: "history", Short: "Print latency, errors and cost of the last hours or days, by model and by time",
		Long: `Print statistics of the queries of the last hours or days: answers, p50, p95 and p99 latency, and
how many queries kept their latency bound, ran on functions, failed or expired. REFUSED counts
queries that were refused for lack of capacity or budget. BAD INPUT counts queries that failed
because of their input. FAILED and IN BOUND do not count queries with bad input.

The first table has a row for each model and class. A query is strict if its latency bound is below
2 s (setting strict_below_ms), and relaxed otherwise; a query may also name its class.

The second table has a row for each step of time and class. A step is 1 minute for a --since of up
to 3h, longer for a longer time, and at most 2 hours. WORKERS and COST count all models and classes
together. Only the first row of each step shows them. Paragon keeps the statistics for 14 days.`,
		Example: `  paragon history
  paragon history --since 24h --model cnn
  paragon history --since 168h --json | jq .classes.strict.p99_ms`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkSince(since); err != nil {
				return err
			}
			return runHistory(c.Context(), term, since, model)
		},
	}
	addSince(c, &since)
	c.Flags().StringVarP(&model, "model", "m", "", "print only the queries of this model")
	term.CompleteNames(c)
	return term.ServerCommand(c)
}

// addSince adds the flag that says how far back to read of what is kept by the hour.
func addSince(c *cobra.Command, since *time.Duration) {
	c.Flags().Var(cli.DurationValue(since), "since", "start of the time that is read, as a duration before now, 1h to 336h")
}

func checkSince(since time.Duration) error {
	if since < time.Hour || since > timeline.Kept {
		return cli.Usagef("--since is %v, not within 1h to 336h", since)
	}
	return nil
}

func runHistory(ctx context.Context, term *cli.Terminal, since time.Duration, model string) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	h, err := cl.Past(ctx, since, model)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(h)
		return nil
	}
	if model != "" {
		if err := keepModel(&h, model); err != nil {
			return err
		}
	}
	w := term.Table()
	printModelLoads(w, h.Models, len(h.Models))
	printPast(w, h)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the history: %w", err)
	}
	return nil
}

// keepModel leaves the other models out. It is an error that the model had no query.
func keepModel(h *api.History, model string) error {
	var others []string
	h.Models = slices.DeleteFunc(h.Models, func(m api.ModelLoad) bool {
		if m.Model != model {
			others = append(others, m.Model)
		}
		return m.Model != model
	})
	if len(h.Models) == 0 {
		return cli.Usagef("model %q had no query in the time that --since covers%s", model, cli.Meant(model, others))
	}
	return nil
}

// printModelLoads prints the first models, most at the most.
func printModelLoads(w *cli.Table, models []api.ModelLoad, most int) {
	w.Header("MODEL\tCLASS\tANSWERED\tP50\tP95\tP99\tIN BOUND\tON FUNCTIONS\tFAILED\tEXPIRED\tBAD INPUT\t$ PER MILLION")
	for _, m := range models[:min(most, len(models))] {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", cli.OneLine(m.Model), m.Class, m.Answered, quantiles(m.Latency), share(m.Met, m.Answered+m.Failed+m.Expired), share(m.Overflowed, m.Answered),
			m.Failed, m.Expired, m.BadInput, perMillion(m.CostUSD, m.Answered))
	}
	fmt.Fprintln(w)
}

// printPast prints the steps in which there were queries.
func printPast(w *cli.Table, h api.History) {
	w.Header("TIME\tCLASS\tANSWERED\tP50\tP95\tP99\tIN BOUND\tON FUNCTIONS\tFAILED\tEXPIRED\tBAD INPUT\tREFUSED\tWORKERS\tCOST")
	for i, at := range h.AtUnixSeconds {
		stage := fmt.Sprintf("\t%.1f\t%s", h.WorkersReady[i], pricing.Dollars(h.CostUSD[i])) // once a step
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			s := h.Classes[class]
			ended, bad := s.Answered[i]+s.Failed[i]+s.Expired[i], int64(0)
			if i < len(s.BadInput) { // a stage of an earlier version does not count them by time
				bad = s.BadInput[i]
			}
			if ended+bad+s.Refused[i] == 0 {
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d%s\n", time.Unix(at, 0).Local().Format("01-02 15:04"), class, s.Answered[i],
				cli.Milliseconds(s.P50[i]), cli.Milliseconds(s.P95[i]), cli.Milliseconds(s.P99[i]), share(s.Met[i], ended), share(s.Overflowed[i], s.Answered[i]),
				s.Failed[i], s.Expired[i], bad, s.Refused[i], stage)
			stage = "\t\t"
		}
	}
}

// quantiles are three columns.
func quantiles(q *tally.Quantiles) string {
	if q == nil {
		return "-\t-\t-"
	}
	return cli.Milliseconds(q.P50) + "\t" + cli.Milliseconds(q.P95) + "\t" + cli.Milliseconds(q.P99)
}

func share(part, of int64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}

func perMillion(usd float64, answered int64) string {
	if answered == 0 {
		return "-"
	}
	return pricing.Dollars(1e6 * usd / float64(answered))
}
