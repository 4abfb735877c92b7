package main

import (
	"github.com/spf13/cobra"

	"paragon/cmd/internal/cli"
	"paragon/shared/client"
)

const rootLong = `Paragon serves machine learning models: say what an answer needs of latency,
accuracy and cost, and it picks the model, the machine and the memory.

Exit status: 0 done; 1 it could not be done; 2 the command was typed wrong;
3 a query ended without an answer (failed, expired or cancelled).

The client commands find the server by --endpoint, else by PARAGON_ENDPOINT,
else at ` + client.DefaultEndpoint + `; a token, where one is needed, comes from --token
or PARAGON_TOKEN.

With --stage, or PARAGON_STAGE, they work on a stage in an account: its API is found
by its name, in the region and with the credentials of the AWS command line
(AWS_REGION, AWS_PROFILE and so on), and requests are signed where it asks for that.`

// newRoot returns the whole command tree.
func newRoot(term *cli.Terminal) *cobra.Command {
	root := term.Root(&cobra.Command{Use: "paragon", Short: "Inference serving that keeps to latency, accuracy and cost", Long: rootLong})
	root.AddCommand(newUpCommand(term), newSubmitCommand(term), newGetCommand(term), newCancelCommand(term), newStatusCommand(term), newModelsCommand(term))
	root.AddCommand(newSelectCommand(term), newExplainCommand(term), newFeedbackCommand(term), newReplayCommand(term), newCostCommand(term))
	root.AddCommand(newProfileCommand(term), newProfileColdCommand(term), newProfileShareCommand(term))
	root.AddCommand(newTuneCommand(term), newDecisionsCommand(term), newReplayDecisionCommand(term), newRedriveCommand(term), newFaultCommand(term))
	root.AddCommand(newModelCommand(term), newModelCheckCommand(term), newServeCommand(term), newVersionCommand(term))
	return root
}
