// Command paragon-lab is the laboratory: it plays procurement schemes against
// traces, makes the paper's figures, drives load, and measures Paragon and what
// stands beside it. It is no part of what is deployed.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(newRoot)) }

const rootLong = `Play procurement schemes against traces, make the paper's figures, drive load, inject
faults, and measure Paragon and other model servers.

Exit status: 0 done; 1 it could not be done; 2 the caller's mistake: a flag,
value, name, file or request that is refused, here or by the server (HTTP 400, 404, 413, 415, 422);
3 queries were sent and none was answered.`

// newRoot returns the whole command tree.
func newRoot(term *cli.Terminal) *cobra.Command {
	root := term.Root(&cobra.Command{Use: "paragon-lab", Short: "The laboratory of Paragon", Long: rootLong})
	root.AddCommand(newSimulateCommand(term), newCompareCommand(term), newSensitivityCommand(term), newFiguresCommand(term), newTraceCommand(term), newSpotCommand(term))
	root.AddCommand(newLoadCommand(term), newDemoCommand(term), newCalibrateCommand(term), newBenchPeersCommand(), newChaosCommand(term), newConformanceCommand(term), newBurstCommand(term), newFairnessCommand(term), newProteusCommand(term))
	return root
}
