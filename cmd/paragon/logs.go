package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

const logsLong = `Print the log lines of the server, its workers and its functions, newest last. On one machine, the
command reads the data folder, even after the server has ended. The data folder keeps the two newest
log files, of at most 16 MB each. With --stage, the command reads CloudWatch Logs. A line appears
there some seconds after the process wrote it.

--process takes the name of a worker (` + "`paragon top`" + ` prints it) or of a function (` + "`paragon get`" + `
prints it). "worker", "function" and "server" select all processes of one kind. In an account,
--process also takes "api", "callbacks", "controller" and "dispatcher".`

// logFlags are what is printed.
type logFlags struct {
	data, process string
	since         time.Duration // in an account
	level         string
	lines         int
	watch         bool
}

// newLogsCommand is `paragon logs`.
func newLogsCommand(term *cli.Terminal) *cobra.Command {
	f := &logFlags{data: machine.Defaults().DataDir, level: "info", lines: 100, since: stageLogsSince}
	c := &cobra.Command{
		Use: "logs", Short: "Print the logs of the server, the workers and the functions", Long: logsLong,
		Example: `  paragon logs --follow
  paragon logs --process worker --level warn
  paragon logs --stage prod --process controller --since 2h
  paragon logs --lines 1000 --json | jq -r 'select(.level == "ERROR").msg'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			stage, endpoint := term.Place()
			if stage != "" && !c.Flags().Changed("data") {
				logs, err := openStageLogs(c.Context(), stage)
				if err != nil {
					return err
				}
				return runStageLogs(c.Context(), term, f, logs, stage)
			}
			if c.Flags().Changed("since") {
				return cli.Usagef("--since needs --stage, which names a stage in an account; on one machine use --lines")
			}
			if !c.Flags().Changed("data") {
				f.data = cmp.Or(operator.Folder(cmp.Or(endpoint, client.DefaultEndpoint)), f.data)
			}
			return runLogs(c.Context(), term, f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.data, "data", f.data, "data folder of the server; without this flag, the folder of the server at --endpoint, or the default if that server does not run on this machine")
	fs.StringVar(&term.Endpoint, "endpoint", "", "URL of the server whose logs are printed (default PARAGON_ENDPOINT, else "+client.DefaultEndpoint+")")
	fs.StringVarP(&f.process, "process", "p", "", "print only the lines of this process, or of a kind: server, worker or function")
	fs.StringVar(&f.level, "level", f.level, "lowest level that is printed: debug, info, warn or error")
	fs.IntVarP(&f.lines, "lines", "n", f.lines, "print at most this many of the newest lines; --follow prints all new lines after them")
	fs.BoolVarP(&f.watch, "follow", "f", false, "print new lines as they come, until interrupted")
	fs.StringVar(&term.Stage, "stage", "", "stage in an account (default PARAGON_STAGE)")
	fs.Var(cli.DurationValue(&f.since), "since", "with --stage: start of the time that is read, as a duration before now, up to 336h")
	fs.BoolVar(&term.JSON, "json", false, "print each line as it is stored, as a JSON object")
	term.CompleteFlag(c, "process", completeProcesses(&f.data))
	term.CompleteStage(c)
	term.CompleteValues(c, "level", "debug", "info", "warn", "error")
	return c
}

// pollLogEvery is how often a followed log is read.
const pollLogEvery = 250 * time.Millisecond

// mostLogLines bounds the lines that are printed of what was logged before.
const mostLogLines = 100_000

// filter is which lines are printed.
func (f *logFlags) filter() (logFilter, error) {
	out := logFilter{process: f.process}
	if err := out.level.UnmarshalText([]byte(f.level)); err != nil || strings.ContainsAny(f.level, "+-") {
		return out, cli.Usagef("--level must be debug, info, warn or error, not %q", f.level)
	}
	if f.lines < 0 || f.lines > mostLogLines {
		return out, cli.Usagef("--lines is %d, not within 0 to %d", f.lines, mostLogLines)
	}
	return out, nil
}

func runLogs(ctx context.Context, term *cli.Terminal, f *logFlags) error {
	filter, err := f.filter()
	if err != nil {
		return err
	}
	tail := &logTail{path: machine.LogFiles(f.data)[1]}
	defer tail.close()
	last, err := tail.last(machine.LogFiles(f.data), filter, f.lines)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("folder %s has no log; name the data folder of a `paragon up` with --data: %w", f.data, err)
	}
	if err != nil {
		return err
	}
	if len(last) == 0 && f.lines > 0 && !f.watch {
		if err := tail.known(filter.process); err != nil {
			return err
		}
		fmt.Fprintf(term.Err, "No line of %s in %s\n", filter, f.data)
	}
	for _, l := range last {
		printLogLine(term, l)
	}
	for f.watch && term.Sleep(ctx, pollLogEvery) == nil {
		if err := tail.read(func(l logLine) {
			if filter.takes(l) {
				printLogLine(term, l)
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// runStageLogs prints what a stage in an account logged.
func runStageLogs(ctx context.Context, term *cli.Terminal, f *logFlags, logs stageLogs, stage string) error {
	filter, err := f.filter()
	if err != nil {
		return err
	}
	if f.since <= 0 || f.since > timeline.Kept {
		return cli.Usagef("--since is %v; it must be above 0 and at most 336h", f.since)
	}
	tail := &stageTail{logs: logs, stage: stage, filter: filter, seen: map[string]time.Time{}}
	lines, err := tail.read(ctx, term.Now().Add(-f.since))
	if err != nil {
		return err
	}
	for _, l := range lines[max(0, len(lines)-f.lines):] {
		printLogLine(term, l)
	}
	for f.watch && term.Sleep(ctx, pollStageEvery) == nil {
		if lines, err = tail.read(ctx, term.Now().Add(-lateLines)); err != nil {
			return err
		}
		for _, l := range lines {
			printLogLine(term, l)
		}
	}
	return nil
}

func printLogLine(term *cli.Terminal, l logLine) {
	if term.JSON {
		term.Printf("%s\n", l.raw)
		return
	}
	term.Printf("%s  %-5s  %s  %s", l.at.Local().Format("01-02 15:04:05.000"), l.level, l.of(), cli.OneLine(l.message))
	for _, a := range l.attributes {
		term.Printf("  %s", cli.OneLine(a))
	}
	term.Printf("\n")
}
