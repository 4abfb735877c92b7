package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/loopback"
	"github.com/paragon-serving/paragon/shared/lab/tutorial"
)

const tutorialLong = `Run the examples of the tutorial, docs/models.md. For each example, the command clones the
current commit into a temporary folder, with empty caches of Go, npm and pip. It runs the commands
of the page in this clone, and measures the time until the first right answer. All five examples
take about a quarter of an hour, and download what a new user downloads.

The exit status is 1 if an answer differs from the answer on the page, if a command fails, or if
an example takes longer than the limit.`

// tutorialFlags are the flags of `paragon-lab tutorial`.
type tutorialFlags struct {
	repository, only, addr string
	limitSeconds           float64
}

func newTutorialCommand(term *cli.Terminal) *cobra.Command {
	f := &tutorialFlags{}
	c := &cobra.Command{
		Use: "tutorial", Short: "Run the commands of the tutorial in empty clones", Args: cobra.NoArgs,
		Long: tutorialLong, Example: "  paragon-lab tutorial\n  paragon-lab tutorial --only forest --limit-seconds 200",
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.Context(), term) },
	}
	c.Flags().StringVar(&f.repository, "repository", ".", "folder of the repository")
	c.Flags().StringVar(&f.only, "only", "", "run only the examples whose title contains this text")
	c.Flags().Float64Var(&f.limitSeconds, "limit-seconds", 300, "largest number of seconds that an example may take, 1 to 7200")
	c.Flags().StringVar(&f.addr, "addr", tutorial.DefaultAddr, "loopback address of the API, which replaces the address on the page")
	c.Flags().BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

func (f *tutorialFlags) run(ctx context.Context, term *cli.Terminal) error {
	if !(f.limitSeconds >= 1 && f.limitSeconds <= 7200) {
		return cli.Usagef("--limit-seconds must be 1 to 7200")
	}
	if err := loopback.CheckAddr(f.addr); err != nil {
		return cli.Usagef("--addr %v", err)
	}
	repository, err := filepath.Abs(f.repository)
	if err != nil {
		return err
	}
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", repository}, args...)...).Output()
		if failed, ok := errors.AsType[*exec.ExitError](err); ok {
			err = cli.Usagef("--repository %s: %s", f.repository, strings.TrimSpace(string(failed.Stderr)))
		}
		return strings.TrimSpace(string(out)), err
	}
	commit, err := git("rev-parse", "HEAD")
	if err != nil {
		return err
	}
	page, err := git("show", commit+":"+tutorial.Page)
	if err != nil {
		return err
	}
	examples, err := tutorial.Examples(page)
	if err != nil {
		return err
	}
	w := tutorial.Walk{Repository: repository, Commit: commit, Addr: f.addr, Limit: time.Duration(f.limitSeconds * float64(time.Second)), Log: term.Err}
	var all []tutorial.Took
	for _, e := range examples {
		if strings.Contains(strings.ToLower(e.Title), strings.ToLower(f.only)) {
			all = append(all, w.Do(ctx, e))
		}
	}
	if len(all) == 0 {
		return cli.Usagef("--only %s: no example has this text in its title", f.only)
	}
	if err := printTutorial(term, all); err != nil {
		return err
	}
	var failed []error
	for _, t := range all {
		if t.Error != "" {
			failed = append(failed, fmt.Errorf("%s: %s", t.Example, t.Error))
		}
	}
	return errors.Join(failed...)
}

func printTutorial(term *cli.Terminal, all []tutorial.Took) error {
	if term.JSON {
		term.PrintJSON(all)
		return nil
	}
	table := term.Table()
	table.Header("EXAMPLE\tBUILT AND MADE\tFIRST ANSWER\t")
	for _, t := range all {
		answered := fmt.Sprintf("%.0f s\t%s", t.FirstAnswerSeconds, t.Answer)
		if t.FirstAnswerSeconds == 0 {
			answered = "none\t"
		}
		fmt.Fprintf(table, "%s\t%.0f s\t%s\n", t.Example, t.PreparedSeconds, answered)
	}
	return table.Flush()
}
