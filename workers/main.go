// The worker daemon answers a pool's queries on a VM, or as a child process on
// one machine. It wires; the work is in shared/serving.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"paragon/profiles"
	"paragon/shared/cloud/local"
	"paragon/shared/cloud/tuning"
	"paragon/shared/core/profile"
	"paragon/shared/engine"
	"paragon/shared/engine/answer"
	"paragon/shared/engine/preprocess"
	"paragon/shared/serving"
)

const (
	// settingsEvery is how often the settings are read anew.
	settingsEvery = time.Second
	// pollWait is how long an idle worker waits for a message at once.
	pollWait = 20 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(ctx, os.Getenv, log); err != nil {
		log.Error("the worker ends", "error", err)
		os.Exit(1)
	}
}

// run serves as the environment says until ctx ends or the fleet says so.
func run(ctx context.Context, env func(string) string, log *slog.Logger) error {
	o, err := options(env)
	if err != nil {
		return err
	}
	o.Log = log
	home, err := local.Dial(env("PARAGON_LOCAL_URL"))
	if err != nil {
		return fmt.Errorf("PARAGON_LOCAL_URL: %w", err)
	}
	o.Queues, o.Store, o.Fleet, o.Blobs = home.Queues, home.Store, home.Fleet, home.Blobs
	tunables := tuning.New(home.Settings)
	if err := tunables.Refresh(ctx); err != nil {
		log.Warn("starting on default settings", "error", err)
	}
	o.Settings = tunables.Current
	go tunables.Run(ctx, settingsEvery)
	e, err := load(ctx, &o, env, tunables.Current().MaxPixels)
	if err != nil {
		return err
	}
	defer e.Close()
	w, err := serving.New(o)
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// options reads what the worker is from the environment.
func options(env func(string) string) (serving.Options, error) {
	o := serving.Options{
		ID: env("PARAGON_WORKER_ID"), Pool: env("PARAGON_POOL"), InstanceType: env("PARAGON_INSTANCE_TYPE"),
		PollWait: pollWait, Now: time.Now,
	}
	if o.ID == "" || o.Pool == "" || o.InstanceType == "" {
		return o, errors.New("PARAGON_WORKER_ID, PARAGON_POOL and PARAGON_INSTANCE_TYPE must be set")
	}
	var err error
	if o.Runners, err = strconv.Atoi(env("PARAGON_RUNNERS")); err != nil {
		return o, fmt.Errorf("PARAGON_RUNNERS: %w", err)
	}
	if o.Paced, err = strconv.ParseBool(cmp.Or(env("PARAGON_PACED"), "0")); err != nil {
		return o, fmt.Errorf("PARAGON_PACED: %w", err)
	}
	return o, nil
}

// load loads the catalogue and warms its models, so that no query waits for one.
func load(ctx context.Context, o *serving.Options, env func(string) string, maxPixels int) (*engine.Engine, error) {
	set, err := profiles.Load(env("PARAGON_PROFILES"))
	if err != nil {
		return nil, fmt.Errorf("PARAGON_PROFILES: %w", err)
	}
	if o.Catalogue, err = set.Catalogue(cmp.Or(env("PARAGON_CATALOGUE"), "fashion")); err != nil {
		return nil, fmt.Errorf("PARAGON_CATALOGUE: %w", err)
	}
	e, err := engine.New(engine.Options{Runners: o.Runners})
	if err != nil {
		return nil, err
	}
	a := answer.New(e, o.Catalogue, set, preprocess.Limits{MaxPixels: maxPixels})
	o.Answerer = a
	if err := a.Warm(ctx, runnable(o.Catalogue)...); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// runnable lists the models that come with a network.
func runnable(c *profile.Catalogue) []string {
	var names []string
	for _, m := range c.Models {
		if m.File != "" {
			names = append(names, m.Name)
		}
	}
	return names
}
