package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/paragon-serving/paragon/functions/models"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/proof"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// modelRunCommand has this binary run a model of the catalogue once.
	modelRunCommand = "model-run"
	// runTime bounds one model's run, with the start of its process.
	runTime = time.Minute
	// provePatience is how long a worker's start waits for the runs; the others go on
	// while it serves.
	provePatience = 20 * time.Second
	// proveEvery is how often it is seen whether a model is to be run again.
	proveEvery = 5 * time.Minute
)

// runModel runs a model in this process and prints how that went. One that was added is
// timed as well: others are measured before they are deployed.
func runModel(ctx context.Context, env func(string) string, name string, out io.Writer) error {
	src, err := models.Open(ctx, env, nil)
	if err != nil {
		return err
	}
	return modelcheck.PrintOnce(ctx, src, src, name, src.Has, out)
}

// prover runs each model once by this build of the engine on this platform, unless
// another worker has, and stores how that went: a model that no platform can run is not
// offered. On one machine the parent process does it.
type prover struct {
	shared           platform.Shared
	catalogue        profile.CatalogueSource
	run              func(ctx context.Context, model string) (modelcheck.Ran, error)
	platform, engine string
	instanceType     string
	changed          <-chan struct{} // reports that the catalogue has changed; nil never does
	now              func() time.Time
	log              *slog.Logger
}

// newProver is a prover that runs models in processes of their own.
func newProver(shared platform.Shared, instanceType string, catalogue profile.CatalogueSource, changed <-chan struct{}, log *slog.Logger) (*prover, error) {
	digest, err := onnxruntime.Digest()
	if err != nil {
		return nil, err
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return &prover{
		shared: shared, catalogue: catalogue, changed: changed, platform: runtime.GOOS + "/" + runtime.GOARCH, engine: digest, instanceType: instanceType, now: time.Now, log: log,
		run: func(ctx context.Context, model string) (modelcheck.Ran, error) {
			return modelcheck.RunProcess(exec.CommandContext(ctx, path, modelRunCommand, model))
		},
	}, nil
}

// start runs what is due, and returns when that is done or has taken provePatience. It
// goes on from time to time, and when the catalogue has changed, until ctx ends.
func (p *prover) start(ctx context.Context) {
	first := make(chan struct{})
	go func() {
		p.prove(ctx)
		close(first)
		again := time.NewTicker(proveEvery)
		defer again.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-again.C:
			case <-p.changed:
			}
			p.prove(ctx)
		}
	}()
	patience := time.NewTimer(provePatience)
	defer patience.Stop()
	select {
	case <-first:
	case <-patience.C:
	case <-ctx.Done():
	}
}

// prove runs what is due, one model after another. What cannot be stored is run again
// the next time: no worker is kept from serving by it.
func (p *prover) prove(ctx context.Context) {
	book, err := platform.ReadProofs(ctx, p.shared)
	if err != nil {
		p.log.Warn("could not read the results of earlier test runs of models; no test runs are made now", "error", err)
		return
	}
	c := p.catalogue.Current()
	for _, m := range book.Due(c, p.platform, p.engine, p.now()) {
		digest, err := proof.Digest(c, &m)
		if err != nil {
			p.log.Warn("could not compute the digest of a model; its test run is left out", "model", m.Name, "error", err)
			continue
		}
		r := proof.Result{Engine: p.engine}
		run, cancel := context.WithTimeout(ctx, runTime)
		ran, err := p.run(run, m.Name)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.Why = err.Error()
			p.log.Error("the test run of a model failed", "model", m.Name, "error", err)
		}
		if r.MS, r.Samples, r.Batches = ran.MS, ran.Samples, ran.Batches; r.Samples > 0 {
			r.InstanceType = p.instanceType
		}
		r.At = p.now()
		if err := platform.AddProofs(ctx, p.shared, p.platform, map[string]proof.Result{digest: r}, p.now()); err != nil {
			p.log.Warn("could not store the result of a model's test run", "model", m.Name, "error", err)
		}
	}
}
