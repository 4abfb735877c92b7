package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/platform/aws/discovery"
	"github.com/paragon-serving/paragon/shared/platform/aws/instance"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/lambdaemulator"
)

// localFunctions is the stage that is this machine.
const localFunctions = "local"

// resourceHere is what the figures of this machine stand for; empty when that
// is the machine that others scale from.
func (f *profileFlags) resourceHere(ctx context.Context) (string, error) {
	if f.resource != "auto" {
		return f.resource, nil
	}
	typ, err := instance.Type(ctx)
	if err != nil {
		return "", fmt.Errorf("read the instance type from the instance metadata: %w; outside EC2, name the type with --resource", err)
	}
	return typ, nil
}

// measureFunctions measures the functions of a stage.
func measureFunctions(ctx context.Context, term *cli.Terminal, f *profileFlags) (measure.Report, error) {
	stage, err := f.stage(ctx)
	if err != nil {
		return measure.Report{}, err
	}
	j, err := f.functionJob(stage, term.Now())
	if err != nil {
		return measure.Report{}, err
	}
	var end func() error
	if j.Invoker, end, err = f.invoker(ctx, stage, &j); err != nil {
		return measure.Report{}, err
	}
	bar := term.Progress(j.Steps())
	j.Tick = bar.Step
	report, err := j.Run(ctx)
	bar.Finish()
	if closing := end(); err == nil {
		err = closing
	}
	return report, err
}

// stage checks the flags and finds the stage whose functions are measured; nil where they
// run on this machine.
func (f *profileFlags) stage(ctx context.Context) (*discovery.Stage, error) {
	switch {
	case f.resource != "" || len(f.threads)+len(f.batches)+len(f.concurrency) > 0 || f.clock != "wall":
		return nil, cli.Usagef("--lambda cannot be combined with --resource, --threads, --batch, --concurrency or --clock")
	case f.samples < 1 || f.cold < 0 || f.cold > 1000 || f.budget <= 0:
		return nil, cli.Usagef("--samples and --budget must be above 0, --cold must be within 0 to 1000")
	case f.lambda == localFunctions:
		return nil, nil
	}
	if err := names.CheckStage(f.lambda); err != nil {
		return nil, cli.Usagef("--lambda: %v", err)
	}
	return discovery.Open(ctx, f.lambda)
}

// functionJob turns the flags into what is to be measured of functions: of those that the
// stage has, or of all sizes on this machine.
func (f *profileFlags) functionJob(stage *discovery.Stage, now time.Time) (measure.FunctionJob, error) {
	j := measure.FunctionJob{
		MemoryMB: f.memory, Arch: inference.Arch(), ColdRuns: f.cold, File: f.file(), Today: now,
		Plan: measure.Plan{Warmup: 5, Samples: f.samples, Budget: f.budget, Now: measure.Wall},
	}
	var err error
	if j.Subjects, err = f.subjects(); err != nil {
		return j, err
	}
	set, err := profiles.Load(f.folder)
	if err != nil {
		return j, err
	}
	c, err := set.Catalogue(f.catalogue)
	if err != nil {
		return j, err
	}
	if stage != nil {
		j.Arch = stage.FunctionArch
		if len(stage.FunctionMB) > 0 { // else it was deployed before stages said it
			if c, err = c.WithFunctionSizes(stage.FunctionMB); err != nil {
				return j, fmt.Errorf("stage %s: %w", stage.Name, err)
			}
		}
	}
	sizes, ok := c.FunctionSizes(j.Arch)
	for _, mb := range j.MemoryMB {
		if !slices.Contains(sizes.MemoryMB, mb) {
			return j, cli.Usagef("catalogue %s has no function of %d MB, only %v", f.catalogue, mb, sizes.MemoryMB)
		}
	}
	if len(j.MemoryMB) == 0 {
		j.MemoryMB = sizes.MemoryMB
	}
	if !ok || len(j.MemoryMB) == 0 {
		return j, cli.Usagef("catalogue %s has no functions of architecture %s", f.catalogue, j.Arch)
	}
	return j, nil
}

// invoker reaches the functions, and says what they run on.
func (f *profileFlags) invoker(ctx context.Context, stage *discovery.Stage, j *measure.FunctionJob) (measure.Invoker, func() error, error) {
	if stage == nil {
		j.Hardware = measure.Hardware() + ", as a function process on this machine, with a whole vCPU at every memory size"
		return f.startFunctions(*j)
	}
	backend, err := stage.Backend(ctx, time.Now)
	if err != nil {
		return nil, nil, err
	}
	j.Hardware = "AWS Lambda, " + j.Arch + ", stage " + stage.Name
	return backend.Invoker, func() error { return nil }, nil
}

// startFunctions makes functions of this machine callable.
func (f *profileFlags) startFunctions(j measure.FunctionJob) (measure.Invoker, func() error, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find the inference function: %w", err)
	}
	bootstrap := filepath.Join(filepath.Dir(exe), "inference")
	if _, err := os.Stat(bootstrap); err != nil {
		return nil, nil, fmt.Errorf("find the inference function: %w; build it with `make build`", err)
	}
	library, err := onnxruntime.Locate()
	if err != nil {
		return nil, nil, err
	}
	folder := f.folder
	if folder != "" { // a function has a working folder of its own
		if folder, err = filepath.Abs(folder); err != nil {
			return nil, nil, fmt.Errorf("find the profiles: %w", err)
		}
	}
	o := lambdaemulator.Options{MaxConcurrency: max(1, j.ColdRuns), KeepAlive: time.Hour}
	for _, s := range j.Subjects {
		for _, mb := range j.MemoryMB {
			o.Functions = append(o.Functions, lambdaemulator.Function{
				Name: inference.FunctionName(s.Name, mb), Bootstrap: bootstrap, MemoryMB: mb, Timeout: time.Minute,
				Env: []string{environment.Model + "=" + s.Name, environment.Catalogue + "=" + f.catalogue, environment.Profiles + "=" + folder, onnxruntime.EnvLibrary + "=" + library},
			})
		}
	}
	in, err := lambdaemulator.New(o)
	if err != nil {
		return nil, nil, fmt.Errorf("start the function runtime: %w", err)
	}
	return in, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return in.Close(ctx)
	}, nil
}
