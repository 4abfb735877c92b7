package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
)

const rootLong = `Paragon serves machine learning models. A query may bound its latency,
accuracy and cost. Paragon chooses the model, and the worker or function that runs the model.

Exit status:
  0  The command succeeded.
  1  The command failed.
  2  The command or the server refused the input: a flag, a value, a name, a file or a request.
     A server refuses with HTTP status 400, 404, 413, 415 or 422, or with 409 if a name is
     already in use.
  3  A query ended without an answer: it failed, expired or was cancelled.

Commands that call a server take its URL from --endpoint, or else from PARAGON_ENDPOINT. The default
is ` + client.DefaultEndpoint + `. If the server needs a token, pass it with --token or PARAGON_TOKEN.
The commands tune, redrive, fault, callbacks and model are for operators. On one machine, they take
the operator's token from PARAGON_OPERATOR_TOKEN, or else from the server's data folder.

A stage is one deployment of Paragon in an AWS account. With --stage or PARAGON_STAGE, commands call
the API of this stage. They use the region and the credentials of the AWS command line (AWS_REGION,
AWS_PROFILE and so on).

NO_COLOR=1 or TERM=dumb turns colors off. CLICOLOR_FORCE=1 also colors the output to pipes and
files.

If a command with --json fails before it prints a result, it prints {"problem": ...}, in the form of
the API's errors (docs/api.md).`

// newRoot returns the whole command tree.
func newRoot(term *cli.Terminal) *cobra.Command {
	root := term.Root(&cobra.Command{Use: "paragon", Short: "Serve models within bounds on latency, accuracy and cost", Long: rootLong, Version: machine.Version})
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
		{"inspect", "Inspect:", []*cobra.Command{newStatusCommand(term), newTopCommand(term), newPageCommand(term), newHistoryCommand(term), newExplainCommand(term), newDecisionsCommand(term), newReplayDecisionCommand(term), newLogsCommand(term), newDoctorCommand(term)}},
		{"models", "Models:", []*cobra.Command{newModelsCommand(term), newModelCommand(term), newSelectCommand(term), newProfileCommand(term)}},
		{"costs", "Costs:", []*cobra.Command{newUsageCommand(term), newCostCommand(term), newSavingsCommand(term), newReplayCommand(term)}},
		{"operate", "Operate:", []*cobra.Command{newTuneCommand(term), newRedriveCommand(term), newCallbacksCommand(term), newFaultCommand(term), newImageCommand(term)}},
		{"other", "Other:", []*cobra.Command{newVersionCommand(term), newProfileColdCommand(term), newProfileShareCommand(term), newModelCheckCommand(term), newModelRunCommand(term), newSavingsPlayCommand(term)}},
	}
}
