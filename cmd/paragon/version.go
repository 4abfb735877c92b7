package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
)

// versionInfo is what a report of a fault should name.
type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(term *cli.Terminal) *cobra.Command {
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version of Paragon, the Go release that built it, and its platform.",
		Example: "  paragon version\n  paragon version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{machine.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if term.JSON {
				term.PrintJSON(v)
				return nil
			}
			fmt.Fprintf(term.Out, "paragon %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return nil
		},
	}
	c.Flags().BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}
