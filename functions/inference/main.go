// The inference Lambda answers one query at a time with one model: a pure
// request and response, without a store, a queue or any permission but to read
// its model where that is in a bucket. It wires; the work is in shared/engine.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/paragon-serving/paragon/functions/models"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

func main() {
	// Before lambda.Start, so that library and model are part of the cold start.
	handler, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the inference function cannot start", "error", err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	lambda.Start(handler)
}

// handler answers one request.
type handler func(ctx context.Context, req inference.Request) (inference.Response, error)

// wire loads the function's model as the environment says.
func wire(ctx context.Context, env func(string) string) (handler, error) {
	model := env(environment.Model)
	if model == "" {
		return nil, fmt.Errorf("%s is not set: it names the model of this function; %s and %s have defaults", environment.Model, environment.Profiles, environment.Catalogue)
	}
	source, err := models.Open(ctx, env, nil)
	if err != nil {
		return nil, err
	}
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return nil, err
	}
	a := answer.New(e, source, source, answer.Memory{})
	if err := a.Warm(ctx, model); err != nil {
		return nil, err
	}
	traces := tracing.Open(env, "inference", slog.Default())
	return func(ctx context.Context, req inference.Request) (inference.Response, error) {
		ctx, span := traces.Tracing().Child(traces.Tracing().Continue(ctx, req.Trace), "infer")
		span.Set("model", model)
		res := a.Respond(ctx, model, req)
		if res.Error != nil {
			span.Fail(string(res.Error.Code))
		}
		span.End()
		traces.Flush(ctx)
		return res, nil
	}, nil
}
