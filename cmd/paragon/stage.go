package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"paragon/shared/api"
	"paragon/shared/client"
	"paragon/shared/cloud/aws/door"
	"paragon/shared/cloud/aws/names"
	"paragon/shared/control"
	"paragon/shared/core/signed"
	"paragon/shared/operate"
	keysof "paragon/shared/stage"
)

// place tells which stage and which endpoint were named; either may be empty.
// Flags count before the environment, so that --endpoint alone leaves
// PARAGON_STAGE aside.
func (a *app) place() (stage, endpoint string) {
	if a.stage != "" || a.endpoint != "" {
		return a.stage, a.endpoint
	}
	return a.env(names.Stage), a.env("PARAGON_ENDPOINT")
}

// connect returns a client of the server or the stage that was named.
func (a *app) connect(ctx context.Context, c client.Config) (*client.Client, error) {
	stage, endpoint := a.place()
	c.Endpoint, c.Token = endpoint, cmp.Or(a.token, a.env("PARAGON_TOKEN"))
	if err := a.enter(ctx, stage, &c); err != nil {
		return nil, err
	}
	cl, err := client.New(c)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return cl, nil
}

// enter finds a stage's API, and has the client sign what it asks where the API
// knows its callers by that: as the stage says, or, without a stage, of an
// endpoint that API Gateway named when there is no token.
func (a *app) enter(ctx context.Context, stage string, c *client.Config) error {
	var keys door.Keys
	region, named := door.Region(c.Endpoint)
	switch {
	case stage != "":
		s, err := door.Open(ctx, stage)
		if err != nil {
			return err
		}
		c.Endpoint, keys = cmp.Or(c.Endpoint, s.Endpoint), s.Keys()
		if s.Authorizer == names.ByKeys {
			if c.Token == "" {
				return usagef("stage %s asks for a key: give yours with --token or PARAGON_TOKEN", stage)
			}
			return nil
		}
	case named && c.Token == "":
		var err error
		if keys, err = door.Find(ctx, region); err != nil {
			return err
		}
	default:
		return nil
	}
	if c.HTTP == nil {
		c.HTTP = client.NewHTTP(atOnce)
	}
	var err error
	c.HTTP, err = keys.Sign(c.HTTP, c.Endpoint, a.now)
	c.Token, a.signs = "", true
	return err
}

// tuner reads and changes settings.
type tuner interface {
	Settings(ctx context.Context) (api.Settings, error)
	Set(ctx context.Context, name, value string) (api.Setting, error)
	History(ctx context.Context, name string, limit int) ([]api.Change, error)
}

// recorder reads what the controller decided.
type recorder interface {
	Decisions(ctx context.Context, pool string, moves bool, limit int) ([]api.Decision, error)
	Decision(ctx context.Context, id string) (api.Decision, error)
}

// redriver puts dead letters back.
type redriver interface {
	DeadLetters(ctx context.Context, queue string, limit int) (api.DeadLetters, error)
	Redrive(ctx context.Context, queue string, limit int) (api.DeadLetters, error)
}

// operations is what those who run a stage see and do.
type operations interface {
	tuner
	recorder
	redriver
}

// lookFor is how long an empty queue is asked for dead letters in an account:
// SQS asks all of its servers only when it may wait.
const lookFor = time.Second

// desk returns where a stage is operated: over the API of one machine, and in
// an account at the stage's home, with the permissions of whoever asks.
func (a *app) desk(ctx context.Context) (operations, error) {
	stage, endpoint := a.place()
	if _, named := door.Region(endpoint); named && stage == "" {
		return nil, usagef("an API in an account does not serve this: name its stage with --stage or %s", names.Stage)
	}
	if stage == "" {
		return a.connect(ctx, client.Config{})
	}
	s, err := door.Open(ctx, stage)
	if err != nil {
		return nil, err
	}
	h, err := s.Home(ctx, a.now)
	if err != nil {
		return nil, err
	}
	return &operate.Desk{
		Home: h, Tuned: operate.Read(h.Settings), Unpack: control.Unpack, Pools: s.Pools, Now: a.now, Look: lookFor,
		Random: rand.Reader, Keys: signingKeys(s.SigningSecret),
	}, nil
}

// signingKeys reads the keys of a stage in an account from their secret, for
// those who need them.
func signingKeys(secretARN string) func(context.Context) (signed.Keys, error) {
	return func(ctx context.Context) (signed.Keys, error) {
		return keysof.Keys(ctx, func(name string) string {
			if name == names.SigningSecret {
				return secretARN
			}
			return ""
		})
	}
}
