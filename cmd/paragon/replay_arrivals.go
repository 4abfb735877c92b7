package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	paws "github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/recorded"
)

// arrivalFlags say whose arrivals are played, and which of them.
type arrivalFlags struct {
	data, task string
	cloudwatch bool
	since      time.Duration
	from, to   string // moments
}

func (f *arrivalFlags) add(term *cli.Terminal, fs *pflag.FlagSet) {
	fs.StringVar(&f.data, "data", "data", "data folder with the recorded arrivals and the calibration")
	fs.BoolVar(&f.cloudwatch, "cloudwatch", false, "read the arrivals of a stage in an account from CloudWatch; --stage does this too")
	fs.StringVar(&term.Stage, "stage", "", "stage in an account (default PARAGON_STAGE, if --cloudwatch is given)")
	fs.StringVarP(&f.task, "task", "t", "", "task whose arrivals are simulated")
	f.since = 24 * time.Hour
	fs.Var(cli.DurationValue(&f.since), "since", "start of the arrivals, as a duration before now; a stage on one machine keeps the arrivals of the last day")
	fs.StringVar(&f.from, "from", "", "start of the arrivals, instead of --since: a time such as 2026-05-01T12:00:00Z, or a duration before now such as 2h")
	fs.StringVar(&f.to, "to", "", "end of the arrivals, in the same form as --from (default now)")
}

// span is the time whose arrivals are priced.
func (f *arrivalFlags) span(now time.Time, sinceGiven bool) (from, to time.Time, err error) {
	if f.task == "" {
		return from, to, cli.Usagef("name a task with --task")
	}
	if f.from != "" && sinceGiven {
		return from, to, cli.Usagef("give either --since or --from, not both")
	}
	from, to = now.Add(-f.since), now
	if f.to != "" {
		if to, err = moment("--to", f.to, now); err != nil {
			return from, to, err
		}
	}
	if f.from != "" {
		if from, err = moment("--from", f.from, now); err != nil {
			return from, to, err
		}
	}
	if !from.Before(to) || to.After(now) {
		return from, to, cli.Usagef("no arrivals can be read from %s to %s: --from must be before --to, and --to must not be in the future", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return from, to, nil
}

// moment reads a moment, or a length of time before now.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	var ago time.Duration
	if err := cli.DurationValue(&ago).Set(text); err != nil {
		return time.Time{}, cli.Usagef("%s: %q is neither a moment such as 2026-05-01T12:00:00Z, nor a duration before now such as 2h", flag, text)
	}
	return now.Add(-ago), nil
}

// readRecorded reads a task's arrivals from the backend or the stage that was named, as
// finely as it still has them, with those of a time before.
func readRecorded(ctx context.Context, term *cli.Terminal, f *arrivalFlags, from, to time.Time, before time.Duration) (recorded.Load, error) {
	m, step, end, err := openMetrics(ctx, term, f, from.Add(-before))
	if err != nil {
		return recorded.Load{}, err
	}
	defer end()
	l, err := recorded.ReadBy(ctx, m, []string{f.task}, from.Add(-before), to, step)
	if err != nil {
		return l, err
	}
	if l = l.Trimmed(); len(l.Trace.Counts) == 0 || !l.From.Add(l.Trace.Duration()).After(from) {
		return l, fmt.Errorf("no arrivals of task %q are recorded from %s to %s", f.task, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return l, nil
}

// ofStage reports whether the arrivals are those of a stage in an account.
func ofStage(term *cli.Terminal, f *arrivalFlags) bool { return f.cloudwatch || term.Stage != "" }

// judgeArrivals says within which error the costs of the arrivals are known: for a stage in
// an account by the stage's own past in the same time.
func judgeArrivals(ctx context.Context, term *cli.Terminal, f *replayFlags, from, to time.Time, of calibration.Subject) (calibration.Verdict, error) {
	if !ofStage(term, &f.arrivals) {
		return machine.JudgeCalibration(f.arrivals.data, nil, of), nil
	}
	if f.uncalibrated {
		return calibration.Verdict{Why: "with --uncalibrated, the error of the simulated costs is not measured"}, nil
	}
	stage, _ := term.Place()
	s, err := openCompared(ctx, term, stage)
	if err != nil {
		return calibration.Verdict{}, err
	}
	past, err := s.measure(ctx, from, to)
	return judgeStage(past, of), err
}

// openMetrics opens where arrivals are recorded, and says by which steps those
// from a moment on are kept there. end closes it.
func openMetrics(ctx context.Context, term *cli.Terminal, f *arrivalFlags, from time.Time) (m recorded.Metrics, step time.Duration, end func(), err error) {
	if !ofStage(term, f) {
		h, err := sqlite.ReadHistory(ctx, filepath.Join(f.data, "paragon.db"))
		if err != nil {
			return nil, 0, nil, err
		}
		return h, time.Second, func() { _ = h.Close() }, nil // it was only read
	}
	stage, _ := term.Place()
	if stage == "" {
		return nil, 0, nil, cli.Usagef("name the stage with --stage or %s", names.Stage)
	}
	if step, err = paws.FinestPeriod(term.Now().Sub(from)); err != nil {
		return nil, 0, nil, cli.Usagef("%v", err)
	}
	s, err := discovery.Open(ctx, stage)
	if err != nil {
		return nil, 0, nil, err
	}
	h, err := s.Backend(ctx, term.Now)
	return h.Metrics, step, func() {}, err
}
