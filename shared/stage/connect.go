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

// connect connects to the backend that the environment names: PARAGON_LOCAL_URL
// is one machine's, and else PARAGON_STAGE one in an account, where metrics are logged to
// what logTo returns. It makes no call.
func connect(ctx context.Context, env func(string) string, logTo func() (telemetry.Log, error)) (platform.Backend, error) {
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
	log, err := logTo()
	if err != nil {
		return platform.Backend{}, err
	}
	c.Metrics = func(m platform.Metrics) platform.Metrics {
		return telemetry.Logged(m, telemetry.Embedding{Namespace: names.Namespace, StageDimension: names.StageDimension, Stage: c.Stage, Log: log})
	}
	h, err := aws.New(ctx, c)
	if err != nil {
		return platform.Backend{}, err
	}
	return h.Backend, nil
}

// ConnectFunction connects a function to the backend that its environment names. It logs
// metrics to out, which is its log.
func ConnectFunction(ctx context.Context, env func(string) string, out io.Writer) (platform.Backend, error) {
	return connect(ctx, env, func() (telemetry.Log, error) { return telemetry.OutputLog(out), nil })
}

// ConnectWorker connects a worker to the backend that its environment names. In an account it
// logs metrics to a stream of its own, next to that of its instance's journal.
func ConnectWorker(ctx context.Context, env func(string) string, id string) (platform.Backend, error) {
	return connect(ctx, env, func() (telemetry.Log, error) {
		group := env(names.WorkerLogGroup)
		if group == "" {
			return nil, fmt.Errorf("%s is not set: deploy the stack again, which sets it", names.WorkerLogGroup)
		}
		return aws.LogStream(ctx, group, id+"/metrics")
	})
}
