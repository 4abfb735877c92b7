// Command paragon-lab is the laboratory: it measures Paragon and what stands
// beside it. It is no part of what is deployed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends it at once
	root := root()
	root.SetOut(os.Stdout)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "paragon-lab:", err)
		os.Exit(1)
	}
}

// root returns the command tree.
func root() *cobra.Command {
	c := &cobra.Command{
		Use: "paragon-lab", Short: "The laboratory of Paragon",
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(benchPeersCommand())
	return c
}
