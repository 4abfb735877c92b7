// The inference Lambda answers one query at a time: a pure request and response, without
// a store, a queue or any permission but to read what it runs where that is in a bucket.
// It runs the one model that PARAGON_MODEL names, or without it, as a generic function,
// any that was added to the stage. It wires; the work is in shared/engine.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

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
		reportStart(os.Getenv, err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	lambda.Start(handler)
}

// runtimeAPI is where Lambda says at which address its Runtime API is.
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// reportTime bounds the report of a start that failed.
const reportTime = time.Second

// reportStart gives the reason of a failed start to the runtime, so that callers get it
// and not the process's exit status alone. It does what it can: the process ends in any case.
func reportStart(env func(string) string, reason error) {
	at := env(runtimeAPI)
	if at == "" {
		return
	}
	const kind = "Inference.CannotStart"
	body, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": reason.Error()})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), reportTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
	}
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
