// Command paragon-lab is the laboratory: it plays procurement schemes against
// traces, makes the paper's figures, drives load, and measures Paragon and what
// is apart from it. It is no part of what is deployed.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(newRoot)) }

const rootLong = `Simulate procurement schemes (rules that set the number of workers) on traces of
arrivals, generate the paper's figures, send load, inject faults, and measure Paragon and other
model servers.

Exit status:
  0  The command succeeded.
  1  The command failed.
  2  The command or the server refused the input: a flag, a value, a name, a file or a request.
     A server that refuses a request answers with HTTP status 400, 404, 413, 415 or 422. It
     answers with 409 if a name is already in use.
  3  Queries were sent, and none was answered.`

// newRoot returns the whole command tree.
func newRoot(term *cli.Terminal) *cobra.Command {
	root := term.Root(&cobra.Command{Use: "paragon-lab", Short: "Simulate, load-test and measure Paragon", Long: rootLong})
	root.AddCommand(newSimulateCommand(term), newCompareCommand(term), newSensitivityCommand(term), newFiguresCommand(term), newTraceCommand(term), newSpotCommand(term))
	root.AddCommand(newLoadCommand(term), newDemoCommand(term), newCalibrateCommand(term), newBenchPeersCommand(), newChaosCommand(term), newConformanceCommand(term), newBurstCommand(term), newFairnessCommand(term), newProteusCommand(term), newTutorialCommand(term))
	return root
}
