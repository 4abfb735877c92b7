package stage

import (
	"context"
	"fmt"
	"io"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/rpc"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// Connect connects to the backend that the environment names: PARAGON_LOCAL_URL
// is one machine's, and else PARAGON_STAGE one in an account. It makes no call.
func Connect(ctx context.Context, env func(string) string) (platform.Backend, error) {
	if url := env(environment.LocalURL); url != "" {
		h, err := rpc.Dial(url)
		if err != nil {
			return h, fmt.Errorf("%s: %w", environment.LocalURL, err)
		}
		return h, nil
	}
	if env(names.Stage) == "" {
		return platform.Backend{}, fmt.Errorf("neither %s nor %s is set: the first is the URL of the backend of paragon up on one machine, "+
			"the second is the name of a stage on AWS", environment.LocalURL, names.Stage)
	}
	c, err := aws.FromEnv(env)
	if err != nil {
		return platform.Backend{}, err
	}
	h, err := aws.New(ctx, c)
	if err != nil {
		return platform.Backend{}, err
	}
	return h.Backend, nil
}

// ConnectFunction is Connect for a function, out of whose log CloudWatch takes
// the metrics that nobody waits for.
func ConnectFunction(ctx context.Context, env func(string) string, out io.Writer) (platform.Backend, error) {
	h, err := Connect(ctx, env)
	if err == nil && env(environment.LocalURL) == "" {
		h.Metrics = telemetry.Logged(h.Metrics, telemetry.Embedding{
			Namespace: names.Namespace, StageDimension: names.StageDimension, Stage: env(names.Stage), Out: out,
		})
	}
	return h, err
}
