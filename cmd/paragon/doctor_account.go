package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	paws "github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/checkup"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
)

// checkAccount checks a stage in an account, and lists what is left to people.
func checkAccount(ctx context.Context, term *cli.Terminal, stage string, queries asker) []finding {
	s, err := discovery.Open(ctx, stage)
	if err != nil {
		return []finding{fault("account", discovery.Advice(err), "%v", err)}
	}
	ops, err := operationsOf(ctx, term)
	if err != nil {
		return []finding{fault("account", discovery.Advice(err), "%v", err)}
	}
	checks := slices.Concat(accountOf(s, term.Now).Checks(), []checkup.Check{
		{Name: "ticks", Run: func(ctx context.Context) ([]finding, error) { return checkTicks(ctx, ops, s.Pools[0], term.Now()) }},
		{Name: "paths", Run: func(ctx context.Context) ([]finding, error) { return queries.checkPaths(ctx, ops) }},
	})
	return append(checkup.Run(ctx, checks), checkup.Untried(stage)...)
}

// accountOf is the account of a stage, with the SDK's clients.
func accountOf(s *discovery.Stage, now func() time.Time) checkup.Account {
	sdk := s.Keys().Config()
	return checkup.Account{
		Stage: s.Name, Pools: s.Pools, Now: now,
		Groups: autoscaling.NewFromConfig(sdk), EC2: checkup.EC2Client{SDK: sdk, Now: now}, Targets: elb.NewFromConfig(sdk), Functions: lambda.NewFromConfig(sdk),
		Alarms: paws.MetricsClient(sdk), Logs: cloudwatchlogs.NewFromConfig(sdk), Quotas: servicequotas.NewFromConfig(sdk),
	}
}

// ticksRead are how many of the newest ticks are compared.
const ticksRead = 100

// checkTicks compares the time between ticks with what the settings say.
func checkTicks(ctx context.Context, ops ticker, pool string, now time.Time) ([]finding, error) {
	every, err := settingOf(ctx, ops, "tick_seconds")
	if err != nil {
		return nil, err
	}
	ticks, err := ops.Decisions(ctx, api.DecisionQuery{Pool: pool, Limit: ticksRead})
	if err != nil {
		return nil, err
	}
	if len(ticks) == 0 {
		return []finding{fault("", "read the controller's log", "the controller has made no decision yet")}, nil
	}
	longest, since := now.Sub(ticks[0].At), ticks[0].At
	for i := range len(ticks) - 1 {
		if gap := ticks[i].At.Sub(ticks[i+1].At); gap > longest {
			longest, since = gap, ticks[i+1].At
		}
	}
	if most := time.Duration((fleet.RestSeconds + 2*every) * float64(time.Second)); longest > most {
		return []finding{warning("", "read the controller's log (`paragon logs --process controller`); check that `account_concurrency` in cdk.json is set, which reserves concurrency for the controller", "the controller made no decision for %s from %s on; at most %s is expected",
			longest.Round(time.Second), since.Format(time.RFC3339), most)}, nil
	}
	return []finding{ok("", "the longest time between two of the newest %d decisions was %s", len(ticks), longest.Round(time.Second))}, nil
}

// settingsReader reads the settings, and ticker the ticks too.
type settingsReader interface {
	Settings(ctx context.Context) (api.Settings, error)
}

type ticker interface {
	settingsReader
	Decisions(ctx context.Context, q api.DecisionQuery) ([]api.Decision, error)
}

// settingOf reads the value of a setting that is a number.
func settingOf(ctx context.Context, t settingsReader, name string) (float64, error) {
	all, err := t.Settings(ctx)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(all.Settings, func(s api.Setting) bool { return s.Name == name })
	if i < 0 {
		return 0, errors.New("there is no setting " + name)
	}
	return strconv.ParseFloat(all.Settings[i].Value, 64)
}
