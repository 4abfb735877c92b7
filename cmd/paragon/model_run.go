package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/functions/models"
	"github.com/paragon-serving/paragon/shared/modelcheck"
)

// newModelRunCommand is what a machine starts to run a model of its catalogue once, as
// a worker would: by the same variables. It prints why that fails, or nothing.
func newModelRunCommand(term *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use: "model-run NAME", Short: "Run a model of the catalogue once in this process", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			src, err := models.Open(c.Context(), os.Getenv, nil)
			if err != nil {
				return err
			}
			return modelcheck.PrintOnce(c.Context(), src, src, args[0], nil, term.Out)
		},
	}
}
