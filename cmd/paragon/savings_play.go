package main

import (
	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/cmd/paragon/machine/apart"
)

// newSavingsPlayCommand is what a machine starts to simulate other schemes apart from the
// process that serves.
func newSavingsPlayCommand(term *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use: machine.SavingsPlay, Short: "Simulate schemes in this process", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return apart.Serve(c.Context(), term.In, term.Out) },
	}
}
