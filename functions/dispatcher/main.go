// The dispatcher Lambda takes batches of the overflow queue to the inference
// functions. It wires; the work is in shared/dispatch.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"paragon/profiles"
	"paragon/shared/cloud/local"
	"paragon/shared/cloud/tuning"
	"paragon/shared/dispatch"
)

// settingsEvery is how often the settings are read anew.
const settingsEvery = 5 * time.Second

func main() {
	d, err := wire(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("the dispatcher cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(batch{d}.handle)
}

// wire builds the dispatcher from the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string) (*dispatch.Dispatcher, error) {
	url := env("PARAGON_LOCAL_URL")
	if url == "" {
		return nil, errors.New("PARAGON_LOCAL_URL is not set: it is the address of the home that the machine's parent process serves; " +
			"PARAGON_CATALOGUE, PARAGON_PROFILES, PARAGON_POOL and PARAGON_ARCH have defaults")
	}
	home, err := local.Dial(url)
	if err != nil {
		return nil, fmt.Errorf("PARAGON_LOCAL_URL: %w", err)
	}
	set, err := profiles.Load(env("PARAGON_PROFILES"))
	if err != nil {
		return nil, fmt.Errorf("PARAGON_PROFILES: %w", err)
	}
	catalogue, err := set.Catalogue(cmp.Or(env("PARAGON_CATALOGUE"), "fashion"))
	if err != nil {
		return nil, fmt.Errorf("PARAGON_CATALOGUE: %w", err)
	}
	tunables := tuning.New(home.Settings)
	go tunables.Run(ctx, settingsEvery)
	return dispatch.New(dispatch.Options{
		Catalogue: catalogue, Arch: cmp.Or(env("PARAGON_ARCH"), "x86_64"), Pool: cmp.Or(env("PARAGON_POOL"), "general"),
		Queues: home.Queues, Store: home.Store, Invoker: home.Invoker, Blobs: home.Blobs,
		Settings: tunables.Current, Now: time.Now, Log: slog.Default(),
	})
}
