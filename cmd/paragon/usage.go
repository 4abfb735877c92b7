package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/pricing"
)

const usageLong = `Print for each owner and task how many queries the owner sent, what they cost, and how many missed
their latency bound. An owner is a caller. On one machine, the owner of a request without a token is
"local". The owner of a request with a token is "key-" and a digest of the token. For requests from
other machines (` + "`paragon up --listen`" + `), the file of --tokens names the owner. The cost is that of
the queries' compute time on workers and functions, as the answers state it.

Paragon keeps counts per clock hour, for 14 days. --since 2h therefore prints the present hour so
far, and the whole hour before it. --mine prints only your own usage: that of your token, AWS
credentials or API key. Only operators may read the usage of all owners.

Paragon counts a query after it ends: on one machine within 5 s plus the setting heartbeat_seconds
(by default 15 s in all), and in an account within 15 minutes.`

// newUsageCommand is `paragon usage`.
func newUsageCommand(term *cli.Terminal) *cobra.Command {
	since, mine := 24*time.Hour, false
	c := &cobra.Command{
		Use: "usage", Short: "Print queries, cost and missed bounds of each owner", Long: usageLong,
		Example: `  paragon usage
  paragon usage --since 336h --json | jq -r '.owners[] | [.owner, .cost_usd] | @tsv'
  paragon usage --mine --token $TOKEN
  paragon usage --stage prod --since 336h
  paragon usage --stage prod --mine`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkSince(since); err != nil {
				return err
			}
			return runUsage(c.Context(), term, since, mine)
		},
	}
	addSince(c, &since)
	c.Flags().BoolVar(&mine, "mine", false, "print only your own usage")
	return term.ServerCommand(c)
}

func runUsage(ctx context.Context, term *cli.Terminal, since time.Duration, mine bool) error {
	u, err := readUsage(ctx, term, since, mine)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(u)
		return nil
	}
	return printUsage(term, u)
}

// readUsage reads it over the API, and that of all owners in an account as an operator.
func readUsage(ctx context.Context, term *cli.Terminal, since time.Duration, mine bool) (api.Usage, error) {
	stage, _ := term.Place()
	if stage == "" || mine {
		cl, err := term.Connect(ctx, client.Config{})
		if err != nil {
			return api.Usage{}, err
		}
		u, err := cl.Usage(ctx, since, mine)
		if p := (*client.Problem)(nil); !mine && errors.As(err, &p) && p.Kind() == api.NotOperator {
			err = fmt.Errorf("%w; `paragon usage --mine` prints your own usage without an operator's token", err)
		}
		return u, err
	}
	service, err := serviceOf(ctx, term, stage)
	if err != nil {
		return api.Usage{}, err
	}
	return service.Usage(ctx, int(since.Hours()), "")
}

// printUsage prints a line an owner and task, and one of all.
func printUsage(term *cli.Terminal, u api.Usage) error {
	term.Printf("Queries from %s to %s\n\n", u.From.Local().Format(time.DateTime), u.To.Local().Format(time.DateTime))
	w := term.Table()
	w.Header("OWNER\tTASK\tQUERIES\tMISSED\tMISSED SHARE\tBAD INPUT\tREFUSED\tON FUNCTIONS\tCOST\t$ PER MILLION")
	var all api.OwnerUsage
	for _, o := range u.Owners {
		printOwner(w, cmp.Or(cli.OneLine(o.Owner), "(others)"), cli.OneLine(o.Task), o)
		all.Queries, all.Answered, all.Missed, all.Failed, all.Expired = all.Queries+o.Queries, all.Answered+o.Answered, all.Missed+o.Missed, all.Failed+o.Failed, all.Expired+o.Expired
		all.BadInput, all.Refused, all.Overflowed, all.CostUSD = all.BadInput+o.BadInput, all.Refused+o.Refused, all.Overflowed+o.Overflowed, all.CostUSD+o.CostUSD
	}
	printOwner(w, "all", "", all)
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the usage: %w", err)
	}
	within := "heartbeat_seconds + 5 s (15 s by default)"
	if stage, _ := term.Place(); stage != "" {
		within = "15 minutes"
	}
	term.Printf("\nThe newest queries may be missing: a query is counted at most %s after it ends.\n", within)
	return nil
}

func printOwner(w io.Writer, owner, task string, o api.OwnerUsage) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%d\t%d\t%s\t%s\t%s\n", owner, task, o.Queries, o.Missed, share(o.Missed, o.Answered+o.Failed+o.Expired), o.BadInput, o.Refused,
		share(o.Overflowed, o.Answered), pricing.Dollars(o.CostUSD), perMillion(o.CostUSD, o.Answered))
}
