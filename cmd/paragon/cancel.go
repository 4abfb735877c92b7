package main

import (
	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
)

func newCancelCommand(term *cli.Terminal) *cobra.Command {
	return term.ServerCommand(&cobra.Command{
		Use:   "cancel [flags] ID...",
		Short: "Cancel queries",
		Long: `Cancel queries. A cancelled query that has not started never runs. If a query is running, Paragon
drops its result. A query that has ended cannot be cancelled: the command exits with status 1.`,
		Example: `  paragon cancel ID`,
		Args:    cobra.MinimumNArgs(1), ValidArgsFunction: completeUnfinished(term),
		RunE: func(c *cobra.Command, ids []string) error {
			return eachQuery(c.Context(), term, ids, func(cl *client.Client, id string) (submitted, error) {
				q, err := cl.Cancel(c.Context(), id)
				return submitted{File: id, Query: &q}, err
			}, func(q api.Query) { term.Printf("%s  %s\n", q.ID, q.State) })
		},
	})
}
