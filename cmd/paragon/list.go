package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// mostListed is how many queries the server lists.
const mostListed = 200

// newListCommand is `paragon list`.
func newListCommand(term *cli.Terminal) *cobra.Command {
	state, late, limit := "", false, 20
	c := &cobra.Command{
		Use: "list", Short: "List your newest stored queries, newest first",
		Long: `List your newest stored queries that have ended, newest first. Paragon stores queries that went
through a queue, and queries with an idempotency key or a callback. Of the queries that it answered
in the response to the request, it stores only a sample (setting keep_share). The list does not
contain this sample.

For a query that failed or expired, the list has the beginning of the reason. ` + "`paragon get`" + ` prints
the whole reason.`,
		Example: `  paragon list
  paragon list --state failed
  paragon list --late --limit 100 --json | jq -r .id`,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 || limit > mostListed {
				return cli.Usagef("--limit is %d, not within 1 to %d", limit, mostListed)
			}
			if state != "" && !slices.Contains(endStates, state) {
				return cli.Usagef("--state is %q, not one of: %s%s", state, strings.Join(endStates, ", "), cli.Meant(state, endStates))
			}
			read := limit
			if state != "" || late {
				read = mostListed
			}
			return runList(c.Context(), term, read, limit, noneListed(state, late), func(q api.Query) bool {
				return (state == "" || string(q.State) == state) && (!late || q.Missed())
			})
		},
	}
	f := c.Flags()
	f.StringVar(&state, "state", "", "list only queries in this state: "+strings.Join(endStates, ", "))
	f.BoolVar(&late, "late", false, "list only queries that missed their latency bound: answered late, failed (unless the input was bad) or expired")
	f.IntVar(&limit, "limit", limit, "list at most this many queries, 1 to 200; --state and --late choose from the newest 200")
	term.CompleteValues(c, "state", endStates...)
	return term.ServerCommand(c)
}

// endStates are the states in which a query is listed.
var endStates = []string{string(query.Succeeded), string(query.Failed), string(query.Expired), string(query.Cancelled)}

// noneListed says that no query is listed.
func noneListed(state string, late bool) string {
	switch {
	case state == "" && !late:
		return "No query is stored"
	case state == "":
		return fmt.Sprintf("None of the newest %d stored queries missed its latency bound", mostListed)
	case !late:
		return fmt.Sprintf("None of the newest %d stored queries is in state %s", mostListed, state)
	}
	return fmt.Sprintf("None of the newest %d stored queries is in state %s and missed its latency bound", mostListed, state)
}

// runList lists the newest queries that are wanted, limit at most of those that are read,
// or says that there is none.
func runList(ctx context.Context, term *cli.Terminal, read, limit int, none string, wanted func(api.Query) bool) error {
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return err
	}
	all, err := cl.Recent(ctx, read)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(q api.Query) bool { return !wanted(q) })
	all = all[:min(limit, len(all))]
	if term.JSON {
		for _, q := range all {
			term.PrintJSON(q)
		}
		return nil
	}
	if len(all) == 0 {
		term.Printf("%s; `paragon history` also counts queries that are not stored\n", none)
		return nil
	}
	w := term.Table()
	w.Header("ACCEPTED\tSTATE\tCLASS\tMODEL\tLATENCY\tANSWER OR REASON\tID")
	for _, q := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", q.AcceptedAt.Local().Format(time.DateTime), stateIn(w.Style, q.State), q.Class, cli.OneLine(q.Model), lateness(w.Style, q), shortened(outcome(q), mostReason), q.ID)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the queries: %w", err)
	}
	return nil
}

// mostReason bounds the column of answers and reasons, in characters, so that the ids
// next to it stay in sight: paragon get prints all of a reason.
const mostReason = 80

// shortened is the beginning of a text of more than most characters.
func shortened(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// stateIn is the state of a query that has ended.
func stateIn(style cli.Style, state query.State) string {
	switch state {
	case query.Succeeded:
		return style.Good(string(state))
	case query.Cancelled:
		return style.Warn(string(state))
	}
	return style.Bad(string(state))
}

// lateness is how long a query took, and whether that was too long.
func lateness(style cli.Style, q api.Query) string {
	if q.LatencyMS == nil {
		return "-"
	}
	text := cli.Milliseconds(*q.LatencyMS)
	if q.MetSLO != nil && !*q.MetSLO && q.State == query.Succeeded {
		text += " " + style.Bad("late")
	}
	return text
}

// outcome is an answer in a word or two, or why there is none.
func outcome(q api.Query) string {
	switch {
	case q.Result != nil:
		return cli.OneLine(answer(q.Result))
	case q.Failure != nil:
		return cli.OneLine(fmt.Sprintf("%s: %s", q.Failure.Code, q.Failure.Detail))
	}
	return "-"
}
