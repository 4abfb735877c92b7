package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

const callbacksLong = `Print the callbacks of a ` + "`paragon up`" + ` that have not arrived yet, and each receiver's
secret: that of the hosts in the setting callback_hosts, or of the HOST that is named,
which may be one below a *.pattern. A receiver verifies calls with it, by any library of
standardwebhooks.com.`

func newCallbacksCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: "callbacks [HOST]", Short: "Print open callbacks and the receivers' secrets", Long: callbacksLong, Args: cobra.MaximumNArgs(1),
		Example: "  paragon tune set callback_hosts hooks.example.com\n  paragon callbacks\n  paragon callbacks eu.hooks.example.org",
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := machineOf(term, c, client.Config{})
			if err != nil {
				return err
			}
			host := ""
			if len(args) > 0 {
				host = args[0]
			}
			got, err := cl.Callbacks(c.Context(), host)
			if err != nil {
				return err
			}
			if term.JSON {
				term.PrintJSON(got)
				return nil
			}
			return printCallbacks(term, got)
		},
	})
}

func printCallbacks(term *cli.Terminal, got api.Callbacks) error {
	term.Printf("%d arrived and %d were given up since the start; %d are open.\n", got.Arrived, got.GivenUp, len(got.Open))
	w := tabwriter.NewWriter(term.Out, 0, 0, 2, ' ', 0)
	if len(got.Open) > 0 {
		fmt.Fprintln(w, "\nQUERY\tHOST\tTRIES\tNEXT TRY\tWHY")
	}
	for _, c := range got.Open {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", c.ID, cli.OneLine(c.Host), c.Tries, c.DueAt.Local().Format(time.DateTime), cli.OneLine(c.Fault))
	}
	if len(got.Receivers) > 0 {
		fmt.Fprintln(w, "\nRECEIVER\tSECRET")
	}
	for _, r := range got.Receivers {
		fmt.Fprintf(w, "%s\t%s\n", cli.OneLine(r.Host), r.Secret)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the callbacks: %w", err)
	}
	return nil
}
