package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
)

// tickID is what the ids of decisions look like: a moment and a pool.
var tickID = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-.`)

// candidatesShown is how many candidates are printed without --all.
const candidatesShown = 4

func newExplainCommand(term *cli.Terminal) *cobra.Command {
	all := false
	c := &cobra.Command{
		Use:   "explain ID",
		Short: "Explain how a query was answered, or why the number of workers changed",
		Long: `Explain how a query was answered: what it requested, why its model and its resource (a worker or a
function) were chosen, and each step of its path. A table compares the best candidates: a candidate
is a model on a resource. The table also states why Paragon did not choose the others. The command
computes the table now, from the present load and not from the load at the time of the query.

ID may also be the id of a decision of the controller, which ` + "`paragon decisions`" + ` lists. The command
then prints the measurements that the controller read, with their age. It also prints the numbers of
workers that the controller compared, the limits that it applied, and what it did.`,
		Example: `  paragon explain ID
  paragon explain --all ID
  paragon explain 20260501T120000.000Z-general
  paragon explain --json ID | jq '.candidates[] | {model, reason}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			if tickID.MatchString(ids[0]) {
				return explainTick(c.Context(), term, ids[0])
			}
			return runExplain(c.Context(), term, ids[0], all)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "print every candidate (default: only the best four)")
	c.ValidArgsFunction = func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, noFiles
		}
		queries, _ := recentIDs(c, term, given, anyQuery)
		return append(queries, tickIDs(c, term)...), noFiles
	}
	return term.ServerCommand(c)
}

func runExplain(ctx context.Context, term *cli.Terminal, id string, all bool) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	e, err := cl.Explain(ctx, id)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if term.JSON {
		term.PrintJSON(e)
		return nil
	}
	printStory(term, e.Query)
	if e.Asked.Task == "" { // without a record only the id is known
		if e.Query.State.Terminal() {
			term.Printf("\nNo reason is stored, because the query ended before a worker or a function ran it.\n")
		} else {
			term.Printf("\nThe query has not ended. Its request and the reasons for its path are stored when the query ends: run the command again then.\n")
		}
		return nil
	}
	term.Printf("\nRequested: %s%s.\n", requested(e.Asked), byDefault(e.Query, e.Asked))
	term.Printf("Chosen: %s. %s.\n", cli.OneLine(e.Choice), predicted(e))
	if len(e.Candidates) == 0 {
		term.Printf("No candidate would meet the bounds now.\n")
		return nil
	}
	term.Printf("Candidates under the present load:\n")
	most := candidatesShown
	if all {
		most = len(e.Candidates)
	}
	if err := printCandidates(term, e.Candidates, most); err != nil {
		return err
	}
	if slices.ContainsFunc(e.Candidates, func(c selection.Candidate) bool { return c.CostUSD == 0 && c.PriceUSD > 0 }) {
		term.Printf("The column $ PER MILLION has the price of the time that a query takes. If a worker runs anyway, a query on it adds no cost, and the column WHY counts its cost as 0.\n")
	}
	return nil
}

// predicted is the latency that was predicted when the query was sent where it went.
func predicted(e api.Explanation) string {
	if e.PredictedMS > 0 {
		return "Predicted latency: " + cli.Milliseconds(e.PredictedMS)
	}
	return "No latency was predicted, because no worker counted as ready"
}

// byDefault says which latency bound a query has whose caller stated none.
func byDefault(q api.Query, asked query.Need) string {
	if asked.Constraints.LatencyMS > 0 || !q.DeadlineAt.After(q.AcceptedAt) {
		return ""
	}
	return "; by default within " + cli.Milliseconds(query.Milliseconds(q.DeadlineAt.Sub(q.AcceptedAt)))
}

// requested is what a caller asked for, apart from the input.
func requested(n query.Need) string {
	parts := []string{"task " + n.Task}
	if n.Model != "" {
		parts = append(parts, "model "+n.Model+" and no other model")
	}
	if n.Class != "" {
		parts = append(parts, "class "+string(n.Class))
	}
	if c := n.Constraints; c == (query.Constraints{}) {
		parts = append(parts, "no bound")
	} else {
		if c.LatencyMS > 0 {
			parts = append(parts, "within "+cli.Milliseconds(c.LatencyMS))
		}
		if c.Accuracy > 0 {
			parts = append(parts, cli.Number(c.Accuracy, 6)+" % accuracy or more")
		}
		if c.CostUSDPerMillion > 0 {
			parts = append(parts, pricing.Dollars(c.CostUSDPerMillion)+" per million queries or less")
		}
	}
	switch {
	case n.Optimize != "":
		parts = append(parts, "optimize "+string(n.Optimize))
	case n.Weights != query.Weights{}:
		parts = append(parts, fmt.Sprintf("weights latency %v, accuracy %v, cost %v", n.Weights.Latency, n.Weights.Accuracy, n.Weights.Cost))
	}
	return cli.OneLine(strings.Join(parts, ", "))
}

// printCandidates prints at most that number of candidates as a table.
func printCandidates(term *cli.Terminal, all []selection.Candidate, most int) error {
	w := term.Table()
	w.Header("MODEL\tON\tLATENCY\tACCURACY\t$ PER MILLION\tWHY")
	rows := candidateRows(all, len(all) > most)
	shown := 0
	for _, r := range rows[:min(most, len(rows))] {
		on := r.on
		if r.alike > 0 {
			on = fmt.Sprintf("%s (and %d alike)", on, r.alike)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.model, on, r.facts)
		shown += 1 + r.alike
	}
	if more := len(all) - shown; more > 0 {
		fmt.Fprintf(w, "... %d more candidates; --all prints each\n", more)
	} else if shown > len(rows) {
		fmt.Fprintf(w, "--all prints each candidate\n")
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the candidates: %w", err)
	}
	return nil
}

// candidateRow is a line of the candidates: of one, or of several next to each other
// whose figures are printed alike.
type candidateRow struct {
	model, on string
	facts     string // what follows in the table
	alike     int    // candidates besides that on `on`
}

// candidateRows are the lines of candidates; merged, those that would differ in the
// resource alone are one line, as instance types of several sizes cost the same a query.
func candidateRows(all []selection.Candidate, merged bool) (rows []candidateRow) {
	for _, c := range all {
		accuracy := "unknown"
		if c.Accuracy > 0 {
			accuracy = fmt.Sprintf("%.2f %%", c.Accuracy)
		}
		r := candidateRow{model: c.Model, on: c.Resource.String(),
			facts: fmt.Sprintf("%s\t%s\t%s\t%s", cli.Milliseconds(c.LatencyMS), accuracy, pricing.Dollars(c.PriceUSD*1e6), c.Reason)}
		if last := len(rows) - 1; merged && last >= 0 && rows[last].model == r.model && rows[last].facts == r.facts {
			rows[last].alike++
			continue
		}
		rows = append(rows, r)
	}
	return rows
}
