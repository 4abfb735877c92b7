package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
)

const rootLong = `Paragon serves machine learning models: say what an answer needs of latency,
accuracy and cost, and it picks the model, the machine and the memory.

Exit status: 0 done; 1 it could not be done; 2 the caller's mistake: a flag, value, name,
file or request that is refused, here or by the server (HTTP 400, 404, 413, 415, 422);
3 a query ended without an answer (failed, expired or cancelled).

The client commands find the server by --endpoint, else by PARAGON_ENDPOINT,
else at ` + client.DefaultEndpoint + `; a token, where one is needed, comes from --token
or PARAGON_TOKEN. What operators alone may do on one machine (settings, dead letters,
faults, models) takes the token in the stage's data folder, which is found by itself,
or that of PARAGON_OPERATOR_TOKEN.

With --stage, or PARAGON_STAGE, they work on a stage in an account: its API is found
by its name, in the region and with the credentials of the AWS command line
(AWS_REGION, AWS_PROFILE and so on), and requests are signed where it asks for that.`

// newRoot returns the whole command tree.
func newRoot(term *cli.Terminal) *cobra.Command {
	root := term.Root(&cobra.Command{Use: "paragon", Short: "Inference serving that keeps to latency, accuracy and cost", Long: rootLong, Version: machine.Version})
	for _, g := range groups(term) {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	withoutFiles(root)
	return root
}

// withoutFiles keeps files from being offered as arguments of commands that take none.
func withoutFiles(c *cobra.Command) {
	for _, below := range c.Commands() {
		withoutFiles(below)
	}
	if c.ValidArgsFunction == nil && !strings.Contains(c.Use, "FILE") {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// group is commands that stand together in the help.
type group struct {
	id, title string
	commands  []*cobra.Command
}

// groups are all commands, in the order of the help.
func groups(term *cli.Terminal) []group {
	return []group{
		{"serve", "Serve:", []*cobra.Command{newUpCommand(term), newServeCommand(term)}},
		{"query", "Ask:", []*cobra.Command{newSubmitCommand(term), newGetCommand(term), newListCommand(term), newCancelCommand(term), newFeedbackCommand(term)}},
		{"inspect", "Inspect:", []*cobra.Command{newStatusCommand(term), newTopCommand(term), newHistoryCommand(term), newExplainCommand(term), newDecisionsCommand(term), newReplayDecisionCommand(term), newLogsCommand(term), newDoctorCommand(term)}},
		{"models", "Models:", []*cobra.Command{newModelsCommand(term), newModelCommand(term), newSelectCommand(term), newProfileCommand(term)}},
		{"costs", "Costs:", []*cobra.Command{newUsageCommand(term), newCostCommand(term), newReplayCommand(term)}},
		{"operate", "Operate:", []*cobra.Command{newTuneCommand(term), newRedriveCommand(term), newCallbacksCommand(term), newFaultCommand(term), newImageCommand(term)}},
		{"other", "Other:", []*cobra.Command{newVersionCommand(term), newProfileColdCommand(term), newProfileShareCommand(term), newModelCheckCommand(term), newModelRunCommand(term)}},
	}
}
