// Package aws is the backend of a stage in an account: queues in SQS, how queries
// ended and the stage's state in two DynamoDB tables, uploads in S3, settings in
// SSM, metrics in CloudWatch, workers in Auto Scaling groups and functions in Lambda.
//
// Retries: the SDK tries a call three times, with pauses of at most a second,
// except an invocation, which is tried once: being throttled is a normal answer
// there, on which the caller falls back. Timeouts: five seconds for a call with
// its retries; a receive may wait for twenty seconds more, and an invocation
// and the reading of an upload end with their context alone.
package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/journal"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
)

// Config says which stage, and where its things are.
type Config struct {
	Stage          string
	StateTable     string
	RecordsTable   string // of how queries ended
	Bucket         string
	QueueURLPrefix string // a queue's URL less its platform.QueueName
	// Settings are the deployment's values of settings, by name: one has its value
	// here, if any, until an operator changes it.
	Settings map[string]string
	// FairQueues names the owners of messages to SQS, which delivers those of an owner
	// with a backlog after others'.
	FairQueues bool
	// Metrics returns the metrics as the process puts them, given those of which each put is
	// a call; nil leaves them so.
	Metrics func(platform.Metrics) platform.Metrics
	Now     func() time.Time
	Log     *slog.Logger
}

// FromEnv reads a Config from the variables that package names lists.
func FromEnv(env func(string) string) (Config, error) {
	c := Config{
		Stage: env(names.Stage), StateTable: env(names.StateTable), RecordsTable: env(names.RecordsTable),
		Bucket: env(names.Bucket), QueueURLPrefix: env(names.QueueURLPrefix), FairQueues: env(names.FairQueues) == "true", Now: time.Now, Log: slog.Default(),
	}
	var wrong []error
	if err := names.CheckStage(c.Stage); err != nil {
		wrong = append(wrong, fmt.Errorf("%s: %w", names.Stage, err))
	}
	for _, v := range []struct{ name, value string }{
		{names.StateTable, c.StateTable}, {names.RecordsTable, c.RecordsTable}, {names.Bucket, c.Bucket}, {names.QueueURLPrefix, c.QueueURLPrefix},
	} {
		if v.value == "" {
			wrong = append(wrong, fmt.Errorf("%s is not set: deploy the stack again, which sets it", v.name))
		}
	}
	if text := env(names.Settings); text != "" {
		if err := json.Unmarshal([]byte(text), &c.Settings); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", names.Settings, err))
		}
	}
	return c, errors.Join(wrong...)
}

// Backend is a stage in an account.
type Backend struct {
	platform.Backend
	queues *queues
	fleet  *fleet
}

// New connects to a stage with the credentials, the region and the endpoint of
// the SDK's usual chain. It makes no call.
func New(ctx context.Context, c Config) (*Backend, error) {
	sdk, err := load(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	return connect(c, clientsOf(sdk)), nil
}

// connect puts a backend together from its clients.
func connect(c Config, with clients) *Backend {
	m := &metrics{client: with.metrics, stage: c.Stage, now: c.Now}
	put := platform.Metrics(m)
	if c.Metrics != nil {
		put = c.Metrics(m)
	}
	q := &queues{client: with.queues, prefix: c.QueueURLPrefix, leases: leases{now: c.Now}, fair: c.FairQueues, age: m.oldest, stage: c.Stage, now: c.Now}
	b := &blobs{client: with.objects, sign: with.signer, bucket: c.Bucket, now: c.Now}
	f := &fleet{groups: with.groups, table: table{with.tables, c.StateTable}, stage: c.Stage, now: c.Now}
	f.owners = &owners{table: f.table}
	ended := table{with.tables, c.RecordsTable}
	st := &settings{client: with.settings, path: names.SettingsPath(c.Stage), deployed: c.Settings, table: f.table, now: c.Now}
	calls := &callbacks{queues: q, table: ended, now: c.Now}
	return &Backend{
		queues: q, fleet: f,
		Backend: platform.Backend{
			Queues:   q,
			Fleet:    f,
			Metrics:  put,
			Settings: st, Deployed: c.Settings,
			Invoker: &invoker{client: with.functions, stage: c.Stage},
			Blobs:   b,
			Inputs:  b, BodyBytes: bodyBytes,
			DecisionLog: &decisionLog{table: f.table, now: c.Now},
			Groups:      f,
			Owners:      f.owners,
			Timeline:    &pastRows{table: f.table},
			History:     st,
			Votes:       &votes{table: f.table, now: c.Now},
			Records:     &records{table: ended, callbacks: calls, metrics: put, now: c.Now, log: c.Log},
			Attempts:    &attempts{table: ended, now: c.Now},
			Shared:      &shared{table: f.table},
			Callbacks:   calls,
		},
	}
}

// LogStream returns a stream of the workers' log group. It makes no call.
func LogStream(ctx context.Context, group, stream string) (*journal.Lines, error) {
	sdk, err := load(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure the AWS SDK: %w", err)
	}
	logs := cloudwatchlogs.NewFromConfig(sdk, func(o *cloudwatchlogs.Options) {
		// Regions without automatic detection of the embedded metric format need the header.
		o.APIOptions = append(o.APIOptions, within(callTimeout), smithyhttp.SetHeaderValue("X-Amzn-Logs-Format", "json/emf"))
	})
	return &journal.Lines{Sender: journal.Sender{Logs: logs, Group: group, Stream: stream}, Now: time.Now}, nil
}

const (
	callTimeout    = 5 * time.Second
	receiveTimeout = callTimeout + longestPoll
	maxAttempts    = 3
	longestBackoff = time.Second
	dialTimeout    = 2 * time.Second
	idleConns      = 64 // kept to one service, as many calls may be under way
)

// load reads the SDK's configuration.
func load(ctx context.Context) (aws.Config, error) {
	client := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = idleConns })
	return awsconfig.LoadDefaultConfig(ctx, awsconfig.WithHTTPClient(client), awsconfig.WithLogger(logging.Nop{}), awsconfig.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = maxAttempts, longestBackoff
		})
	}))
}
