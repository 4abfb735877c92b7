package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"paragon/shared/client"
)

// app is what every command works with, so that tests can stand in for the
// terminal, the environment and the clock.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	now      func() time.Time
	sleep    func(ctx context.Context, d time.Duration) error

	endpoint, stage, token string // as flags; empty means the environment
	json                   bool
	all                    bool
	signs                  bool // what is asked is signed with credentials of AWS
}

func newApp(in io.Reader, out, err io.Writer, env func(string) string) *app {
	return &app{in: in, out: out, err: err, env: env, now: time.Now, sleep: client.Sleep}
}

// run does one command and returns its exit status.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		a.tell(err)
	}
	return status(err)
}

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

// root returns the whole command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "paragon",
		Short:         "Inference serving that keeps to latency, accuracy and cost",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          a.knownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },

		PersistentPreRunE: a.findProfiles,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%v; `%s --help` lists the flags", err, c.CommandPath())
	})
	root.AddCommand(a.upCommand(), a.submitCommand(), a.getCommand(), a.cancelCommand(),
		a.statusCommand(), a.modelsCommand(), a.loadCommand())
	root.AddCommand(a.simulateCommand(), a.compareCommand(), a.sensitivityCommand(), a.replayCommand(), a.traceCommand(), a.selectCommand(), a.explainCommand(), a.feedbackCommand(), a.figuresCommand(), a.profileCommand(), a.profileColdCommand(), a.profileShareCommand())
	root.AddCommand(a.tuneCommand(), a.decisionsCommand(), a.replayDecisionCommand(), a.redriveCommand(), a.demoCommand(), a.calibrateCommand())
	root.AddCommand(a.costCommand(), a.faultCommand())
	return root
}

// knownCommand refuses what is no command, with what may have been meant.
func (a *app) knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	for _, s := range c.SuggestionsFor(args[0]) {
		return usagef("there is no command %q; did you mean `paragon %s`?", args[0], s)
	}
	return usagef("there is no command %q; `paragon --help` lists them", args[0])
}

// clientCommand adds to a command what all that speak to a server have.
func (a *app) clientCommand(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&a.endpoint, "endpoint", "", "URL of the server (default PARAGON_ENDPOINT, else "+client.DefaultEndpoint+")")
	c.Flags().StringVar(&a.stage, "stage", "", "stage in an account (default PARAGON_STAGE)")
	c.Flags().StringVar(&a.token, "token", "", "bearer token (default PARAGON_TOKEN)")
	c.Flags().BoolVar(&a.json, "json", false, "print JSON")
	args := c.Args
	c.Args = func(c *cobra.Command, given []string) error {
		if args == nil {
			args = cobra.NoArgs
		}
		if err := args(c, given); err != nil {
			return usagef("%v; `%s --help` shows how", err, c.CommandPath())
		}
		return nil
	}
	return c
}

func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }
