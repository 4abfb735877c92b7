// The dispatcher Lambda takes batches of the overflow queue to the inference
// functions. It wires; the work is in shared/dispatch.
package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/oklog/ulid/v2"

	"paragon/functions/home"
	"paragon/profiles"
	"paragon/shared/cloud/tuning"
	"paragon/shared/core/tally"
	"paragon/shared/dispatch"
	"paragon/shared/telemetry/debug"
	"paragon/shared/telemetry/tracing"
)

// settingsEvery is how often the settings are read anew.
const settingsEvery = 5 * time.Second

func main() {
	d, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the dispatcher cannot start", "error", err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	lambda.Start(d.handle)
}

// wire builds the dispatcher from the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string) (batch, error) {
	cloud, err := home.ConnectFunction(ctx, env, os.Stdout)
	if err != nil {
		return batch{}, err
	}
	pools, err := home.Pools(env)
	if err != nil {
		return batch{}, err
	}
	catalogue, err := home.Catalogue(ctx, env, profiles.Load)
	if err != nil {
		return batch{}, err
	}
	tunables := tuning.New(cloud.Settings)
	if err := tunables.Refresh(ctx); err != nil {
		slog.Warn("starting on default settings", "error", err)
	}
	go tunables.Run(ctx, settingsEvery)
	traces, err := tracing.Open(ctx, env, "dispatcher")
	if err != nil {
		return batch{}, err
	}
	b := batch{spent: &spent{to: cloud.Metrics, now: time.Now}, traces: traces,
		counted: &counted{tally.NewBook(time.Now()), cloud.Fleet, "dispatcher-" + ulid.Make().String(), tunables.Current}}
	d, err := dispatch.New(dispatch.Options{
		Catalogue: catalogue, Arch: cmp.Or(env("PARAGON_ARCH"), "x86_64"), Pool: pools[0].Name,
		Queues: cloud.Queues, Records: cloud.Records, Invoker: cloud.Invoker, Paid: b.spent.add, Blobs: cloud.Blobs, Counts: b.counted.Book,
		Settings: tunables.Current, Traces: traces.Tracing(), Now: time.Now, Log: slog.Default(),
	})
	if err != nil {
		return batch{}, err
	}
	b.handler, b.spent.expired = d, d.Expired
	return b, nil
}
