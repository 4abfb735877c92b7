// The inference Lambda answers one query at a time with one model: a pure
// request and response, without a store, a queue or any permission. It wires;
// the work is in shared/engine.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"paragon/profiles"
	"paragon/shared/core/inference"
	"paragon/shared/engine"
	"paragon/shared/engine/answer"
	"paragon/shared/engine/preprocess"
)

func main() {
	// Before lambda.Start, so that library and model are part of the cold start.
	handler, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the inference function cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}

// handler answers one request.
type handler func(ctx context.Context, req inference.Request) (inference.Response, error)

// wire loads the function's model as the environment says.
func wire(ctx context.Context, env func(string) string) (handler, error) {
	model := env("PARAGON_MODEL")
	if model == "" {
		return nil, errors.New("PARAGON_MODEL is not set: it names the model of this function; " +
			"PARAGON_PROFILES and PARAGON_CATALOGUE have defaults")
	}
	folder := env("PARAGON_PROFILES")
	if strings.HasPrefix(folder, "s3:") {
		return nil, errors.New("PARAGON_PROFILES is a prefix of a bucket, which this function has no permission to read: put the profiles into its package and name their folder")
	}
	set, err := profiles.Load(folder)
	if err != nil {
		return nil, fmt.Errorf("PARAGON_PROFILES: %w", err)
	}
	catalogue, err := set.Catalogue(cmp.Or(env("PARAGON_CATALOGUE"), "fashion"))
	if err != nil {
		return nil, fmt.Errorf("PARAGON_CATALOGUE: %w", err)
	}
	e, err := engine.New(engine.Options{Runners: 1})
	if err != nil {
		return nil, err
	}
	a := answer.New(e, catalogue, set, preprocess.Limits{})
	if err := a.Warm(ctx, model); err != nil {
		return nil, err
	}
	return func(ctx context.Context, req inference.Request) (inference.Response, error) {
		return a.Respond(ctx, model, req), nil
	}, nil
}
