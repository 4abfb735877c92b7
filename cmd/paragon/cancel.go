package main

import (
	"github.com/spf13/cobra"

	"paragon/shared/api"
	"paragon/shared/client"
)

func (a *app) cancelCommand() *cobra.Command {
	return a.clientCommand(&cobra.Command{
		Use:   "cancel [flags] ID...",
		Short: "Cancel queries",
		Long: `Cancel queries. One that has not begun never runs; the result of one that runs
is dropped. Cancelling twice is the same as once; one that is finished cannot be
cancelled, which is exit status 1.`,
		Example: `  paragon cancel q01jd3v7`,
		Args:    cobra.MinimumNArgs(1), ValidArgsFunction: a.completeIDs,
		RunE: func(c *cobra.Command, ids []string) error {
			return a.each(c.Context(), ids, func(cl *client.Client, id string) (submitted, error) {
				q, err := cl.Cancel(c.Context(), id)
				return submitted{File: id, Query: &q}, err
			}, func(q api.Query) { a.printf("%s  %s\n", q.ID, q.State) })
		},
	})
}
