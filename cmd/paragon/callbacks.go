package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
)

const callbacksLong = `Print the callbacks that no receiver has accepted yet, and the secret of each receiver. A callback
is an HTTP request by which Paragon delivers a query that has ended. A receiver is a host in the
setting callback_hosts. The receiver verifies callbacks with its secret and any library of
standardwebhooks.com.

With HOST, the command prints only the secret of this host. HOST may match a pattern in
callback_hosts, such as *.example.org.

For a stage in an account, the command does not list the callbacks. It prints the number of messages
in the stage's queue of callbacks.`

func newCallbacksCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use: "callbacks [HOST]", Short: "Print the undelivered callbacks and the receivers' secrets", Long: callbacksLong, Args: cobra.MaximumNArgs(1),
		Example: "  paragon tune set callback_hosts hooks.example.com\n  paragon callbacks\n  paragon callbacks eu.hooks.example.org\n  paragon callbacks --stage prod",
		RunE: func(c *cobra.Command, args []string) error {
			at, err := operationsOf(c.Context(), term)
			if err != nil {
				return err
			}
			host := ""
			if len(args) > 0 {
				host = args[0]
			}
			got, err := at.Callbacks(c.Context(), host)
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
	if got.Waiting != nil {
		term.Printf("Messages of callbacks in the queue: about %d. Each undelivered callback has one or two messages.\n", *got.Waiting)
	} else {
		term.Printf("Callbacks since the server started: %d delivered, %d given up. Not delivered yet: %d.\n", got.Arrived, got.GivenUp, len(got.Open))
	}
	w := term.Table()
	if len(got.Open) > 0 {
		w.Header("\nQUERY\tHOST\tTRIES\tNEXT TRY\tLAST ERROR")
	}
	for _, c := range got.Open {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", c.ID, cli.OneLine(c.Host), c.Tries, c.DueAt.Local().Format(time.DateTime), cli.OneLine(c.Fault))
	}
	if len(got.Receivers) > 0 {
		w.Header("\nRECEIVER\tSECRET")
	}
	for _, r := range got.Receivers {
		fmt.Fprintf(w, "%s\t%s\n", cli.OneLine(r.Host), r.Secret)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the callbacks: %w", err)
	}
	return nil
}
