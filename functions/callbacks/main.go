// The callbacks Lambda makes the callbacks of ended queries, by messages from their
// queue. It wires; the work is in shared/callbacks.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/paragon-serving/paragon/shared/callbacks"
	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/stage"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
)

func main() {
	b, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the callbacks function cannot start", "error", err)
		os.Exit(1)
	}
	debug.ServeEnv(os.Getenv, slog.Default())
	lambda.Start(b.handle)
}

// consumer handles a batch, and returns the error of each message that is to come again.
type consumer interface {
	HandleAll(ctx context.Context, batch []platform.CallbackMessage) []error
}

// batch turns an SQS event into messages, and what failed into the event's answer.
type batch struct {
	consumer
	settings *tuning.Source
}

// handle reads the settings first: a host that an operator took off the list gets nothing
// more. Without them nobody knows who may be called, and all messages come again.
func (b batch) handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	if err := b.settings.Refresh(ctx); err != nil && b.settings.State().Version == 0 {
		return events.SQSEventResponse{}, err
	}
	var messages []platform.CallbackMessage
	var ids []string // of SQS
	for _, r := range e.Records {
		m, err := decode(r.Body)
		if err != nil { // no other try mends it
			slog.Error("dropped a message that is not one of a callback", "message", r.MessageId, "error", err)
			continue
		}
		messages, ids = append(messages, m), append(ids, r.MessageId)
	}
	var failed []events.SQSBatchItemFailure
	for i, err := range b.HandleAll(ctx, messages) {
		if err != nil {
			slog.Warn("a callback's message comes again", "query", messages[i].Query.ID, "error", err)
			failed = append(failed, events.SQSBatchItemFailure{ItemIdentifier: ids[i]})
		}
	}
	return events.SQSEventResponse{BatchItemFailures: failed}, nil
}

// decode reads a message.
func decode(body string) (m platform.CallbackMessage, err error) {
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return m, err
	}
	if m.Query.ID == "" || m.Query.Callback == "" {
		return m, errors.New("it names no query with a callback")
	}
	return m, nil
}

// wire builds the function from the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string) (batch, error) {
	cloud, err := stage.ConnectFunction(ctx, env, os.Stdout)
	if err != nil {
		return batch{}, err
	}
	if cloud.Callbacks == nil {
		return batch{}, errors.New("this backend makes callbacks itself: the callbacks function is for a stage in an account")
	}
	keys, err := stage.Keys(ctx, env)
	if err != nil {
		return batch{}, err
	}
	tunables := tuning.New(cloud.Settings)
	reach := callback.Reach(env(environment.Callbacks))
	return batch{settings: tunables, consumer: &callbacks.Consumer{
		Callbacks: cloud.Callbacks, Records: cloud.Records,
		Caller: callbacks.Caller{
			Settings: tunables.Current, Keys: callback.KeysOf(keys.ForCallbacks()), Reach: reach, HTTP: callbacks.NewHTTP(reach),
			Query: func(r query.Record) any { return httpapi.Ended(r) },
			Now:   time.Now, Draw: rand.Float64, Log: slog.Default(),
		},
	}}, nil
}
