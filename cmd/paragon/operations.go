package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/stage"
)

// tuner reads and changes settings.
type tuner interface {
	Settings(ctx context.Context) (api.Settings, error)
	Set(ctx context.Context, name, value string) (api.Setting, error)
	SetIfUnchanged(ctx context.Context, name, value string, version int64) (api.Setting, error)
	History(ctx context.Context, name string, limit int) ([]api.Change, error)
}

// recorder reads what the controller decided.
type recorder interface {
	Decisions(ctx context.Context, q api.DecisionQuery) ([]api.Decision, error)
	Decision(ctx context.Context, id string) (api.Decision, error)
}

// redriver puts dead letters back.
type redriver interface {
	DeadLetters(ctx context.Context, queue string, limit int) (api.DeadLetters, error)
	Redrive(ctx context.Context, queue string, limit int) (api.DeadLetters, error)
}

// caller reads what becomes of callbacks.
type caller interface {
	Callbacks(ctx context.Context, host string) (api.Callbacks, error)
}

// operations is what those who run a stage see and do.
type operations interface {
	tuner
	recorder
	redriver
	caller
}

// pollWait is how long an empty queue is asked for dead letters in an account:
// SQS asks all of its servers only when it may wait.
const pollWait = time.Second

// operationsOf returns where a stage is operated: over the API of one machine, and in
// an account at the stage's backend, with the permissions of the caller who asks.
func operationsOf(ctx context.Context, term *cli.Terminal) (operations, error) {
	stage, endpoint := term.Place()
	if _, named := discovery.Region(endpoint); named && stage == "" {
		return nil, cli.Usagef("name the stage with --stage or %s: the API of a stage in an account has no route for this command", names.Stage)
	}
	if stage == "" {
		return term.Connect(ctx, client.Config{})
	}
	return serviceOf(ctx, term, stage)
}

// serviceOf operates a stage in an account at its backend.
func serviceOf(ctx context.Context, term *cli.Terminal, stage string) (*admin.Service, error) {
	s, err := discovery.Open(ctx, stage)
	if err != nil {
		return nil, err
	}
	return serviceIn(ctx, term, s)
}

// serviceIn is the admin service of a stage that was found.
func serviceIn(ctx context.Context, term *cli.Terminal, s *discovery.Stage) (*admin.Service, error) {
	h, err := s.Backend(ctx, term.Now)
	if err != nil {
		return nil, err
	}
	return &admin.Service{
		Backend: h, Tuned: admin.Read(h.Settings), Unpack: control.Unpack, Pools: s.Pools, Now: term.Now, PollWait: pollWait,
		Random: rand.Reader, Keys: signingKeys(s.SigningSecret),
	}, nil
}

// signingKeys reads the keys of a stage in an account from their secret, for
// those who need them.
func signingKeys(secretARN string) func(context.Context) (signed.Keys, error) {
	return func(ctx context.Context) (signed.Keys, error) {
		return stage.Keys(ctx, func(name string) string {
			if name == names.SigningSecret {
				return secretARN
			}
			return ""
		})
	}
}
