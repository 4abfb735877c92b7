// The controller Lambda moves the fleet. EventBridge starts it every minute; it
// ticks for most of one. It wires; the work is in shared/control.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/oklog/ulid/v2"

	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/aws/front"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/stage"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
	"github.com/paragon-serving/paragon/shared/telemetry/otlpmetrics"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// shift is how long one invocation ticks. The next one starts a minute after it, so
// that no tick is left out between two; should it start sooner, it waits for the lease. A
// shift that finds the stage at rest ends once it has read the metrics.
const shift = 59 * time.Second

func main() {
	c, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the controller cannot start", "error", err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	lambda.Start(c.handle)
}

// metricsEvery is how often the metrics of a stage at rest are read, as its bill says.
const metricsEvery = time.Minute

// controller runs in shifts.
type controller struct {
	*control.Controller
	tunables *tuning.Source
	traces   *tracing.Source
	metrics  *otlpmetrics.Exporter // nil without a collector
}

// started is why the function was started: by the schedule, which says nothing,
// or by an event, which says what it is.
type started struct {
	DetailType string `json:"detail-type"`
}

// handle ticks until the shift is over. The lease is given up then, so that the
// next shift, wherever it runs, begins at once. An event, such as that a worker
// left, has requests turned if need be, and starts no shift.
func (c controller) handle(ctx context.Context, why started) error {
	if why.DetailType != "" {
		return c.Reconcile(ctx)
	}
	ctx, end := context.WithTimeout(ctx, shift)
	defer end()
	if err := c.tunables.Refresh(ctx); err != nil {
		slog.Warn("a setting is invalid; its last valid value stays in force", "error", err)
	}
	go c.tunables.Run(ctx, settings.RefreshEvery(settings.ControllerReader))
	exported := c.metrics.Start(ctx)
	c.Run(ctx)
	c.traces.Flush(ctx)
	exported()
	return nil
}

// wire builds the controller from the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string) (controller, error) {
	cloud, err := stage.ConnectFunction(ctx, env, os.Stdout)
	if err != nil {
		return controller{}, err
	}
	pools, err := stage.Pools(env)
	if err != nil {
		return controller{}, err
	}
	catalogue, err := stage.Catalogue(ctx, env, schema.Load) // the only one to ask the schema: nobody waits for its start
	if err != nil {
		return controller{}, err
	}
	traffic, err := front.Open(ctx, env)
	if err != nil {
		return controller{}, err
	}
	traces := tracing.Open(env, "controller", slog.Default())
	tunables := tuning.New(cloud.Settings)
	o := control.Options{
		Holder:    "controller-" + ulid.Make().String(),
		Pools:     poolsOf(pools),
		Catalogue: catalogue, Arch: stage.Arch(env),
		Records: cloud.Records, Fleet: cloud.Fleet, Queues: cloud.Queues, Metrics: cloud.Metrics, Groups: cloud.Groups, DecisionLog: cloud.DecisionLog, Shared: cloud.Shared, Timeline: cloud.Timeline,
		Versions: catalogue, Votes: cloud.Votes,
		MetricsEvery: metricsEvery, Rests: true, Traffic: traffic, Tuned: tunables.State, Traces: traces.Tracing(), Now: time.Now, Log: slog.Default(),
	}
	metrics := otlpmetrics.Open(otlpmetrics.Options{Env: env, Stage: env(names.Stage), Metrics: o.Metrics, Headers: stage.CollectorHeaders(env), Log: slog.Default()})
	if metrics != nil {
		o.Metrics, o.Totals = metrics.Watched(), metrics.Take
	}
	return controller{tunables: tunables, traces: traces, metrics: metrics, Controller: control.New(o)}, nil
}

func poolsOf(list []stage.Pool) (out []control.Pool) {
	for _, p := range list {
		out = append(out, control.Pool{Name: p.Name, InstanceType: p.InstanceType})
	}
	return out
}
