package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"paragon/cmd/internal/cli"
	"paragon/shared/client"
)

// completeIDs completes the ids of recent queries, newest first.
func completeIDs(term *cli.Terminal) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		return recentIDs(c, term, given)
	}
}

func recentIDs(c *cobra.Command, term *cli.Terminal, given []string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	ctx, cancel := context.WithTimeout(cmp.Or(c.Context(), context.Background()), cli.CompleteIn)
	defer cancel()
	cl, err := term.Connect(ctx, client.Config{Attempts: 1})
	if err != nil {
		return nil, directive
	}
	recent, err := cl.Recent(ctx, 50)
	if err != nil {
		return nil, directive
	}
	var out []string
	for _, q := range recent {
		if !slices.Contains(given, q.ID) {
			out = append(out, fmt.Sprintf("%s\t%s, %s", q.ID, q.Model, q.State))
		}
	}
	return out, directive
}
