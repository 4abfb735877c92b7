package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"paragon/cmd/internal/cli"
	"paragon/shared/client"
	"paragon/shared/core/selection"
)

func newExplainCommand(term *cli.Terminal) *cobra.Command {
	tick := false
	c := &cobra.Command{
		Use:   "explain ID",
		Short: "Explain why a query went where it went, or why the fleet moved",
		Long: `Explain why a query went where it went: what it requested, why its model and
resource were chosen, each step of its path, and each candidate with the reason it
lost. The candidates are computed again, under the present load.

With --tick the id is that of a decision of the controller, as paragon decisions
lists them: the signals and their age, what was weighed, what was clamped, and
what was done.`,
		Example: `  paragon explain q01jd3v7
  paragon explain --tick 20260501T120000.000Z-general
  paragon explain --json q01jd3v7 | jq '.candidates[] | {model, reason}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			if tick {
				return explainTick(c.Context(), term, ids[0])
			}
			return runExplain(c.Context(), term, ids[0])
		},
	}
	c.Flags().BoolVar(&tick, "tick", false, "the id is that of a decision of the controller")
	c.ValidArgsFunction = completeIDs(term)
	return term.ServerCommand(c)
}

func runExplain(ctx context.Context, term *cli.Terminal, id string) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	e, err := cl.Explain(ctx, id)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(e)
		return nil
	}
	printStory(term, e.Query)
	term.Printf("\nChosen: %s. Predicted: %.4g ms.\n", cli.OneLine(e.Choice), e.PredictedMS)
	if len(e.Candidates) == 0 {
		term.Printf("Nothing would meet its bounds now.\n")
		return nil
	}
	term.Printf("State now:\n")
	return printCandidates(term.Out, e.Candidates, len(e.Candidates))
}

// printCandidates prints at most so many candidates as a table.
func printCandidates(out io.Writer, all []selection.Candidate, most int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tON\tLATENCY\tACCURACY\t$ A MILLION\tWHY")
	for i, c := range all {
		if i == most {
			fmt.Fprintf(w, "... %d more, with --all\n", len(all)-i)
			break
		}
		fmt.Fprintf(w, "%s\t%s\t%.4g ms\t%.2f %%\t%.4f\t%s\n", c.Model, c.Resource, c.LatencyMS, c.Accuracy, c.PriceUSD*1e6, c.Reason)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the candidates: %w", err)
	}
	return nil
}
