// The dispatcher Lambda takes batches of the overflow queue to the inference
// functions. It wires; the work is in shared/dispatch.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/oklog/ulid/v2"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/stage"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
)

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
	parts, traces, err := stage.OpenFunction(ctx, env, "dispatcher")
	if err != nil {
		return batch{}, err
	}
	go parts.Tunables.Run(ctx, settings.RefreshEvery(settings.DispatcherReader))
	b := batch{spent: &spent{to: parts.Platform.Metrics, now: time.Now}, traces: traces, catalogue: parts.Catalogue,
		counted: &counted{tally.NewBook(time.Now()), parts.Platform.Fleet, "dispatcher-" + ulid.Make().String(), parts.Settings}}
	d, err := parts.Dispatcher(b.spent.add, b.counted.Book)
	if err != nil {
		return batch{}, err
	}
	b.handler, b.spent.expired = d, d.Expired
	return b, nil
}
