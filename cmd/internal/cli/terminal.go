// Package cli holds what the commands of paragon and of paragon-lab have in
// common: the terminal, the flags by which they find a server, a stage or the
// profiles, what errors and exit statuses mean, and how figures are written.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/shared/client"
)

// Terminal is what every command works with, so that tests can stand in for the
// streams, the environment and the clock.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) string
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error

	// The flags that several commands have; the last one that was built owns
	// them, and an empty one means the environment.
	Endpoint, Stage, Token string
	JSON                   bool // print JSON
	printed                bool // JSON, by PrintJSON

	signed bool // what is asked is signed with credentials of AWS
}

// New returns a terminal with the clock of this machine.
func New(in io.Reader, out, err io.Writer, env func(string) string) *Terminal {
	return &Terminal{In: in, Out: out, Err: err, Env: env, Now: time.Now, Sleep: client.Sleep}
}

// Main does the command that was typed and returns the exit status. A first
// interrupt ends the command in order, a second one at once.
func Main(root func(*Terminal) *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	term := New(os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	return term.Run(ctx, root(term), os.Args[1:])
}

// Run does one command of a tree and returns its exit status.
func (t *Terminal) Run(ctx context.Context, root *cobra.Command, args []string) int {
	root.InitDefaultCompletionCmd(args...)
	checkArguments(root)
	root.SetArgs(separate(root, args))
	err := root.ExecuteContext(ctx)
	if err != nil {
		if t.JSON && !t.printed {
			t.PrintJSON(map[string]any{"problem": ProblemOf(err)})
		}
		t.printError(root.Name(), err)
	}
	return exitStatus(err)
}

// Root makes the root of a command tree, which says what there is when nothing
// was asked.
func (t *Terminal) Root(c *cobra.Command) *cobra.Command {
	c.SilenceErrors, c.SilenceUsage = true, true
	c.Args, c.RunE = KnownCommand, Help
	c.PersistentPreRunE = t.findProfiles
	c.SetIn(t.In)
	c.SetOut(t.Out)
	c.SetErr(t.Err)
	c.SetFlagErrorFunc(wrongFlag)
	c.SetUsageTemplate(t.Style().boldHeadings(c.UsageTemplate()))
	return c
}

// Help shows the help of a command that only has others below it.
func Help(c *cobra.Command, _ []string) error { return c.Help() }

// Printf prints to the standard output.
func (t *Terminal) Printf(format string, args ...any) { fmt.Fprintf(t.Out, format, args...) }

// PrintJSON prints a value as one line of JSON. A command with --json that fails before it has
// printed one prints its problem.
func (t *Terminal) PrintJSON(v any) {
	t.printed = true
	enc := json.NewEncoder(t.Out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		fmt.Fprintf(t.Err, "encode the answer: %v\n", err)
	}
}

// Logger logs to the standard error: warnings, and with verbose what happens.
func (t *Terminal) Logger(verbose bool) *slog.Logger {
	return t.LoggerAt(LogLevel(verbose))
}

// LogLevel is the least level that is logged to the standard error.
func LogLevel(verbose bool) slog.Level {
	if verbose {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// LoggerAt logs to the standard error from a level on, which may change.
func (t *Terminal) LoggerAt(level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Err, &slog.HandlerOptions{Level: level}))
}
