// The inference Lambda answers one query at a time: a pure request and response, without
// a store, a queue or any permission but to read what it runs where that is in a bucket.
// It runs the one model that PARAGON_MODEL names, or without it, as a generic function,
// any that was added to the stage. It wires; the work is in shared/engine.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/paragon-serving/paragon/functions/models"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/profile"
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
	if model == "" && env(environment.Models) == "" {
		return nil, fmt.Errorf("set %s to the model of this function, or %s to the location of the models that it may load; %s and %s have defaults",
			environment.Model, environment.Models, environment.Profiles, environment.Catalogue)
	}
	source, err := models.Open(ctx, env, nil)
	if err != nil {
		return nil, err
	}
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return nil, err
	}
	respond, err := responder(ctx, env, e, source)
	if err != nil {
		return nil, err
	}
	traces := tracing.Open(env, "inference", slog.Default())
	return func(ctx context.Context, req inference.Request) (inference.Response, error) {
		ctx, span := traces.Tracing().Child(traces.Tracing().Continue(ctx, req.Trace), "infer")
		span.Set("model", req.Model)
		res := respond(ctx, req)
		if res.Error != nil {
			span.Fail(string(res.Error.Code))
		}
		span.End()
		traces.Flush(ctx)
		source.Settle() // the process may be frozen now
		return res, nil
	}, nil
}

// responder answers with the function's model, loaded now, or with any.
func responder(ctx context.Context, env func(string) string, e *engine.Engine, source *models.Source) (func(context.Context, inference.Request) inference.Response, error) {
	mb, err := memoryMB(env)
	if err != nil {
		return nil, err
	}
	threads := func(m *profile.Model) int { return source.Current().FunctionThreads(m, inference.Arch(), mb) }
	model := env(environment.Model)
	if model == "" {
		_ = source.Current() // read now, as a part of the cold start
		a := answer.New(e, source, source, genericMemory(mb))
		a.RunThreads(threads)
		return a.RespondAny, nil
	}
	a := answer.New(e, source, source, answer.Memory{})
	a.RunThreads(threads)
	return func(ctx context.Context, req inference.Request) inference.Response { return a.Respond(ctx, model, req) }, a.Warm(ctx, model)
}

const (
	// lambdaMemory is where Lambda says how much memory a function has, in MB.
	lambdaMemory = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
	// modelShare is the share of it that models may take together; the rest is for the
	// process, the library and an input.
	modelShare = 0.7
)

// genericMemory is what a function may keep loaded: several models as far as they fit,
// and one in any case, as it is asked for none that its size does not hold.
func genericMemory(mb int) answer.Memory {
	return answer.Memory{MaxBytes: int64(float64(mb) * modelShare * (1 << 20)), Alone: true}
}

// memoryMB is the function's memory, with which its share of the processor grows.
func memoryMB(env func(string) string) (int, error) {
	mb, err := strconv.Atoi(env(lambdaMemory))
	if err != nil || mb <= 0 {
		return 0, fmt.Errorf("%s: %q is no number of megabytes", lambdaMemory, env(lambdaMemory))
	}
	return mb, nil
}
