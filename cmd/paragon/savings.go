package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
	paws "github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/recorded"
	"github.com/paragon-serving/paragon/shared/savings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

const savingsLong = `Print what a stage has cost, and what its recent queries would have cost otherwise: under every
other scheme, under the scaling rules of other systems (rivals), and on a plain function. A scheme
is the rule that sets the number of workers. A plain function is a single Lambda function behind the
same gateway, without Paragon. The costs of schemes and rivals are simulated, and printed as
intervals.

On one machine, the server simulates the time since it started. For a stage in an account, this
command reads the arrivals, prices and cost of the time given by --since, and simulates on this
machine. The time of --since ends five minutes before the command starts, because the stage's
counts come late. The stage must have exactly one pool (group of workers).

The costs are those of workers and functions. For a stage in an account, the output also states the
minimum cost of alarms, metrics and controller in this time. With this cost included, it says
whether a plain function would cost less. ` + "`paragon cost`" + ` prints the cost of gateway, store, queues
and logs.

The intervals come from the margin of error of the simulation, which is the larger of two errors.
For the first error, ` + "`paragon-lab calibrate`" + ` compares recorded runs of a stage with their
simulation. For the second error, this command simulates the scheme that ran, and compares the
result with the cost that the stage counted. Paragon doubles an error that was measured
with another scheme, another catalogue (set of models and prices) or another version of Paragon.
The second error is known only if the stage had costs for at least one hour, and if the settings
scheme and fleet did not change in the compared time. With the setting fleet=fixed, it is
never known. For a stage in an account, the command prints costs only if the second error is known.`

// defaultCompared is the length of the time that is compared of a stage in an account.
const defaultCompared = 6 * time.Hour

// newSavingsCommand is `paragon savings`.
func newSavingsCommand(term *cli.Terminal) *cobra.Command {
	since := defaultCompared
	c := &cobra.Command{
		Use: "savings", Short: "Compare the cost of a stage with what other schemes would have cost", Long: savingsLong,
		Example: "  paragon savings\n  paragon savings --stage prod --since 24h\n  paragon savings --stage prod --json | jq '.others[0]'",
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := readSavings(c.Context(), term, since, c.Flags().Changed("since"))
			if err != nil {
				return err
			}
			if term.JSON {
				term.PrintJSON(s)
			} else {
				printSavings(term, s, math.MaxInt)
			}
			return nil
		},
	}
	c.Flags().Var(cli.DurationValue(&since), "since", "with --stage: length of the time whose costs are compared, 1h to 336h")
	return term.ServerCommand(c)
}

// readSavings reads what one machine has simulated, or simulates a stage in an account.
func readSavings(ctx context.Context, term *cli.Terminal, since time.Duration, given bool) (*api.Savings, error) {
	if err := checkSince(since); err != nil {
		return nil, err
	}
	stage, _ := term.Place()
	if stage != "" {
		s, err := openCompared(ctx, term, stage)
		if err != nil {
			return nil, err
		}
		return s.compare(ctx, since)
	}
	if given {
		return nil, cli.Usagef("--since is for a stage in an account; on one machine, `paragon savings` compares the whole time since the server started")
	}
	cl, err := term.Connect(ctx, client.Config{})
	if err != nil {
		return nil, err
	}
	s, err := cl.Status(ctx)
	if err != nil || s.Savings == nil {
		return &api.Savings{Verdict: calibration.Verdict{Why: "this server compares no costs"}}, err
	}
	return s.Savings, nil
}

// comparedStage is a stage in an account whose cost is compared.
type comparedStage struct {
	savings.Stage
	now     func() time.Time
	play    savings.Play
	backend platform.Backend
}

// keepAlive is how long the simulation keeps a function's idle environment warm: Lambda
// does not say how long it does.
const keepAlive = 10 * time.Minute

// openCompared opens a stage that is to be simulated: its catalogue with the added models,
// its settings and its pool.
func openCompared(ctx context.Context, term *cli.Terminal, name string) (*comparedStage, error) {
	found, err := discovery.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(found.Pools) != 1 {
		return nil, fmt.Errorf("stage %s has %d pools of workers, and only a stage with one pool can be simulated", name, len(found.Pools))
	}
	if len(found.Groups) != 1 {
		return nil, fmt.Errorf("the SSM parameter of stage %s lacks the instance type of its pool: deploy the stage again", name)
	}
	store, err := openStore(ctx, found)
	if err != nil {
		return nil, err
	}
	backend, err := found.Backend(ctx, term.Now)
	if err != nil {
		return nil, err
	}
	tuned, err := admin.Read(backend.Settings)(ctx)
	if err != nil {
		return nil, err
	}
	group := found.Groups[0]
	return &comparedStage{now: term.Now, play: term.Play, backend: backend, Stage: savings.Stage{
		Catalogue: store.Current(), InstanceType: group.InstanceType, Arch: found.FunctionArch, Settings: tuned.Settings, KeepAlive: keepAlive,
		AsDeployed: simulate.AsDeployed{GroupMax: group.Max, Warm: group.Warm},
	}}, nil
}

const (
	// countedLate is how late a stage counts what a query cost, at most.
	countedLate = 5 * time.Minute
	// warmUp is how long before the time that is compared the simulation begins.
	warmUp = 20 * time.Minute
)

// compare compares the newest period of the given length of which the stage has counted all.
func (s *comparedStage) compare(ctx context.Context, length time.Duration) (*api.Savings, error) {
	p, err := s.read(ctx, s.now().Add(-countedLate-length), s.now())
	if err != nil {
		return nil, err
	}
	out, err := savings.Compare(ctx, s.Stage, p, judgeStage, s.play)
	return &out, err
}

// measure simulates the scheme that ran in a time.
func (s *comparedStage) measure(ctx context.Context, from, to time.Time) (*calibration.Past, error) {
	p, err := s.read(ctx, from, to)
	if err != nil {
		return nil, err
	}
	return savings.Measure(ctx, s.Stage, p, s.play)
}

// judgeStage gives the verdict on a stage in an account.
func judgeStage(past *calibration.Past, of calibration.Subject) calibration.Verdict {
	of.Version = machine.Version
	return calibration.Judge(calibration.Evidence{Past: past}, of)
}

// read reads what arrived in a time, in whole steps of the history, what the stage counted of
// it, and with how many workers the simulation begins. It leaves out the newest minutes, of
// which the stage has not counted all.
func (s *comparedStage) read(ctx context.Context, from, to time.Time) (p savings.Period, err error) {
	if counted := s.now().Add(-countedLate); to.After(counted) {
		to = counted
	}
	step := timeline.StepFor(to.Sub(from))
	p.From, p.To = from.UTC().Truncate(step), to.UTC().Truncate(step)
	begin := p.From.Add(-warmUp).Truncate(step)
	if err := s.readCost(ctx, &p, step, begin); err != nil {
		return p, err
	}
	if p.Changed, err = savings.ChangedAfter(ctx, s.backend.History, p.From); err != nil {
		return p, err
	}
	if p.Cost < calibration.LeastPast { // nothing is compared
		return p, nil
	}
	arrivals, err := paws.FinestPeriod(s.now().Sub(begin))
	if err != nil {
		return p, err
	}
	if p.Load, err = recorded.ReadBy(ctx, s.backend.Metrics, savings.Tasks(s.Catalogue), begin, p.To, arrivals); err != nil {
		return p, err
	}
	if p.PlainHoursUSD, err = savings.PlainHoursUSD(ctx, s.backend.Metrics, p.From, p.To, arrivals); err != nil {
		return p, err
	}
	p.Samples, err = s.backend.Records.SampleRecords(ctx, p.From, savings.Samples)
	return p, err
}

// readCost reads the rows of the history: what each step cost, and the workers at the
// beginning.
func (s *comparedStage) readCost(ctx context.Context, p *savings.Period, step time.Duration, begin time.Time) error {
	rows, err := admin.ArchiveOf(s.backend.Timeline, nil, s.now).Timeline.Timeline(ctx, step, begin, p.To)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.At.Equal(begin) {
			s.Workers = int(math.Round(r.Ready / math.Max(1, float64(r.Samples))))
		}
		if r.At.Before(p.From) || r.CostUSD == 0 {
			continue
		}
		p.CostUSD += r.CostUSD
		p.Cost += step
	}
	return nil
}
