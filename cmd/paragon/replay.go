package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
)

const replayLong = `Simulate your recorded arrivals under every procurement scheme, and print what each scheme would
have cost. A procurement scheme is the rule by which the controller decides how many workers run.
The command reads the arrivals from the data folder, whether or not a server runs on it, and changes
nothing. It uses the models, instance types and prices of --catalogue, and not those of this machine
or stage.

With --stage, or with --cloudwatch and PARAGON_STAGE, the command reads the arrivals of a stage in
an account from CloudWatch. CloudWatch keeps counts per second for 3 hours, per minute for 15 days,
per five minutes for 63 days and per hour for 455 days. If a count is for more than a second, the
simulation spreads its arrivals over that time as a Poisson process.

The output states the margin of error of the simulated costs. The margin is the largest error that
` + "`paragon-lab calibrate`" + ` stored in the data folder (--data), or else the largest of the errors that
ship with Paragon. If this error comes from another catalogue, scheme or version of Paragon, the
margin is doubled. For a stage in an account, the command measures a second error: it simulates the
scheme that ran, and compares the result with the cost that the stage counted. The larger of the two
errors is then the margin. For such a stage, the command fails if the second error is not known. For
any arrivals, it fails if the margin is 50 % or more. With --uncalibrated, it prints the costs
without a margin instead.

The simulated controller applies the settings given by --set. If --set does not give max_workers,
the number of workers has no upper limit.

The column X LOWER BOUND has the cost of a scheme divided by a lower bound: the cost of workers that
start at once and are always busy. If the ratio is below 1, the scheme left queries unanswered, and
the output says how many.`

// replayFlags are the flags of `paragon replay` besides those of the case.
type replayFlags struct {
	cli.CaseFlags
	arrivals arrivalFlags
	// uncalibrated prints costs without a calibration that vouches for them.
	uncalibrated bool
}

func newReplayCommand(term *cli.Terminal) *cobra.Command {
	f := &replayFlags{}
	c := &cobra.Command{
		Use: "replay", Short: "Simulate what your recorded arrivals would cost under every scheme",
		Long: replayLong, Example: "  paragon replay --data data --task fashion\n  paragon replay --task fashion --since 2h --scale 10 --json\n  paragon replay --stage prod --task fashion --from 2026-05-01T12:00:00Z --to 2026-05-01T18:00:00Z",
		Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
			return runReplay(c.Context(), term, f, c.Flags().Changed)
		},
	}
	fs := c.Flags()
	f.Add(fs)
	fs.Lookup("strict-share").DefValue = "the recorded share"
	f.arrivals.add(term, fs)
	fs.BoolVar(&f.uncalibrated, "uncalibrated", false, "print the costs without a margin of error and without savings")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	term.CompleteNames(c)
	term.CompleteStage(c)
	f.Complete(term, c)
	return c
}

func runReplay(ctx context.Context, term *cli.Terminal, f *replayFlags, given func(flag string) bool) error {
	if err := f.Check(); err != nil {
		return err
	}
	from, to, err := f.arrivals.span(term.Now().UTC().Truncate(time.Second), given("since"))
	if err != nil {
		return err
	}
	schemes, err := f.Chosen()
	if err != nil {
		return err
	}
	l, err := readRecorded(ctx, term, &f.arrivals, from, to, f.Warmup)
	if err != nil {
		return err
	}
	verdict, err := judgeArrivals(ctx, term, f, from, to, calibration.Subject{Catalogue: f.Catalogue, Schemes: schemeNames(schemes)})
	if err != nil {
		return err
	}
	if !verdict.Quoted && !f.uncalibrated {
		return fmt.Errorf("%s; or add --uncalibrated to print the costs without a margin of error", verdict)
	}
	if !given("strict-share") {
		f.StrictShare = l.StrictShare
	}
	c, err := f.played(l, from)
	if err != nil {
		return err
	}
	rows, err := term.Play(ctx, c, schemes)
	if err != nil {
		return err
	}
	if verdict.Quoted {
		comparison.Relate(rows)
	}
	fmt.Fprintln(term.Err, verdict)
	if err := term.PrintRows(rows); err != nil || term.JSON {
		return err
	}
	term.Printf("The costs are for the models, instance types and prices of catalogue %s (--catalogue), not for the models of this stage.\n", f.Catalogue)
	return nil
}

func schemeNames(schemes []procurement.Scheme) (names []string) {
	for _, s := range schemes {
		names = append(names, s.Name())
	}
	return names
}

// played is the case of what arrived: what came before the span warms up.
func (f *replayFlags) played(l recorded.Load, from time.Time) (comparison.Case, error) {
	scaled, how, err := f.Scaled(l.Trace)
	if err != nil {
		return comparison.Case{}, err
	}
	if l.Trace.Step > time.Second {
		how += fmt.Sprintf(", spread within steps of %v", l.Trace.Step)
	}
	// The case is played as it was calibrated: as a stage runs it. What such
	// arrivals cost elsewhere is not bound by this backend's max_workers; one that
	// is given holds.
	f.AsDeployed, f.From = true, max(0, from.Sub(l.From))
	return f.Case(f.arrivals.task, scaled, how, f.Catalogue)
}
