// The worker daemon answers a pool's queries on a VM, or as a child process on
// one machine. It wires; the work is in shared/serving. With the argument "journal"
// it sends the machine's journal, which it reads, to CloudWatch Logs instead; with
// "model-run" it runs a model once, and with "decode" it decodes large pictures for a
// worker.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	gc "runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/paragon-serving/paragon/functions/models"
	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/engine"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/engine/decoder"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/monitor"
	"github.com/paragon-serving/paragon/shared/platform/settle"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/serving"
	"github.com/paragon-serving/paragon/shared/stage"
	"github.com/paragon-serving/paragon/shared/telemetry/debug"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

const (
	// How often the folder of added models is asked whether it has changed.
	modelsEvery = 500 * time.Millisecond
	// pollWait is how long an idle worker waits for a message at once.
	pollWait = 20 * time.Second
)

// decodeCommand has this binary decode pictures for the worker.
const decodeCommand = "decode"

// gcPercent lets the garbage grow to four times what lives: requests' bodies are
// large and live briefly, and with less the collector runs for every few of them.
const gcPercent = 400

func main() {
	if len(os.Args) == 1 {
		monitor.Slow()
	}
	if os.Getenv("GOGC") == "" {
		gc.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if len(os.Args) > 1 && os.Args[1] == journalCommand {
		if err := sendJournal(ctx, os.Getenv, os.Stdin); err != nil {
			log.Error("could not send the journal to CloudWatch Logs", "error", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 2 && os.Args[1] == modelRunCommand {
		if err := runModel(ctx, os.Getenv, os.Args[2], os.Stdout); err != nil {
			log.Error("could not run the model", "error", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == decodeCommand {
		if err := decoder.Serve(os.Stdin, os.Stdout); err != nil {
			log.Error("could not decode pictures", "error", err)
			os.Exit(1)
		}
		return
	}
	defer debug.ServeEnv(os.Getenv, log)()
	err := run(ctx, os.Getenv, log)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return // it was to end before it was ready
	}
	if err != nil {
		log.Error("the worker ends", "error", err)
		os.Exit(1)
	}
}

// run serves as the environment says until ctx ends, the fleet says so, or the
// machine is to be ended; then the machine leaves, if it is one of a group.
func run(ctx context.Context, env func(string) string, log *slog.Logger) error {
	w, here, err := wire(ctx, env, log)
	if err != nil {
		return err
	}
	defer w.engine.Close()
	systemd, err := openNotifier(env)
	if err != nil {
		return err
	}
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go systemd.run(living, w.Health, log) // until the machine has left: draining is no hanging
	if w.prover != nil {
		w.prover.start(living)
	}
	serves, err := here.awaitService(ctx, log)
	if serves {
		err = here.serve(ctx, w.run, log)
	}
	return errors.Join(err, w.traces.Close())
}

// worker is a worker with its engine, and with its front where it takes requests.
type worker struct {
	*serving.Worker
	front  *front
	engine *engine.Engine
	prover *prover // nil on one machine
	traces *tracing.Source
}

// run takes requests for as long as the worker runs.
func (w worker) run(ctx context.Context) error {
	if w.front == nil {
		return w.Run(ctx)
	}
	return w.front.during(ctx, w.Run)
}

// wire builds the worker from the environment, which its errors explain.
func wire(ctx context.Context, env func(string) string, log *slog.Logger) (worker, *machine, error) {
	here, err := findMachine(ctx, env)
	if err != nil {
		return worker{}, here, err
	}
	o, err := options(here.environment(env))
	if err != nil {
		return worker{}, here, err
	}
	o.Log, o.Addr = log, here.addr(o.Addr)
	if here.ec2 != nil {
		o.Linger = here.linger(log)
	}
	cloud, err := stage.ConnectWorker(ctx, env, o.ID)
	if err != nil {
		return worker{}, here, err
	}
	o.Queues, o.Records, o.Fleet, o.Blobs = cloud.Queues, cloud.Records, cloud.Fleet, cloud.Blobs
	tunables := tuning.New(cloud.Settings)
	if err := tunables.Refresh(ctx); err != nil {
		log.Warn("could not read the settings; starting with their defaults", "error", err)
	}
	o.Settings = tunables.Current
	go tunables.Run(ctx, settings.RefreshEvery(here.settingsReader()))
	changed := make(chan struct{}, 1)
	e, err := load(ctx, &o, env, changed)
	if err != nil {
		return worker{}, here, err
	}
	traces := tracing.Open(env, "worker", slog.Default())
	o.Traces = traces.Tracing()
	o.Counts = tally.NewBook(o.Now())
	w, err := serving.New(o)
	if err != nil {
		return worker{}, here, errors.Join(err, traces.Close(), e.Close())
	}
	f, err := openFront(ctx, env, cloud, w)
	if err != nil {
		return worker{}, here, errors.Join(err, traces.Close(), e.Close())
	}
	var p *prover
	if here.ec2 != nil {
		if p, err = newProver(cloud.Shared, o.InstanceType, o.Catalogue, changed, log); err != nil {
			return worker{}, here, errors.Join(err, traces.Close(), e.Close())
		}
	}
	return worker{w, f, e, p, traces}, here, nil
}

// options reads what the worker is from the environment.
func options(env func(string) string) (serving.Options, error) {
	o := serving.Options{
		ID: env(environment.WorkerID), Pool: env(environment.Pool), InstanceType: env(environment.InstanceType),
		Arch: stage.Arch(env), PollWait: pollWait, Now: time.Now,
		Addr: env(environment.Listen), Linger: linger(env),
	}
	if o.ID == "" || o.Pool == "" || o.InstanceType == "" {
		return o, fmt.Errorf("%s, %s and %s must be set", environment.WorkerID, environment.Pool, environment.InstanceType)
	}
	var err error
	if o.Runners, err = strconv.Atoi(env(environment.Runners)); err != nil {
		return o, fmt.Errorf("%s: %w", environment.Runners, err)
	}
	if o.Paced, err = strconv.ParseBool(cmp.Or(env(environment.Paced), "0")); err != nil {
		return o, fmt.Errorf("%s: %w", environment.Paced, err)
	}
	return o, nil
}

// lingerOnOneMachine is how long one machine's balancer may go on sending requests
// to a worker that drains: it follows the fleet.
const lingerOnOneMachine = time.Second

// linger is what a worker waits for while it drains on one machine; nil where it
// takes no requests.
func linger(env func(string) string) func(context.Context) {
	if env(environment.Listen) == "" {
		return nil
	}
	return func(ctx context.Context) { _ = settle.Sleep(ctx, lingerOnOneMachine) }
}

// countFailedLoad opens the breaker of a model that could not be loaded.
func countFailedLoad(o *serving.Options, model string, err error) {
	o.Breakers.NotLoaded(model, err.Error(), o.Now())
	o.Log.Error("could not load a model; its queries fail on this worker, which serves its other models", "model", model, "error", err)
}

// load opens the catalogue and the engine. Models are loaded when they are first
// needed, within the memory that they may take; one is loaded now, to know that
// this worker can answer at all.
// changed receives each change of the catalogue.
func load(ctx context.Context, o *serving.Options, env func(string) string, changed chan<- struct{}) (*engine.Engine, error) {
	source, err := models.Open(ctx, env, func(c *profile.Catalogue) (*profile.Catalogue, error) { return stage.Sizes(env, c) })
	if err != nil {
		return nil, err
	}
	o.Catalogue = source
	e, err := engine.New(engine.Options{Runners: schedule.MostRuns(o.Runners)})
	if err != nil {
		return nil, err
	}
	o.Breakers = &breaker.Set{}
	memory := answer.Memory{Failed: func(model string, err error) { countFailedLoad(o, model, err) }}
	if memory.MaxBytes, err = modelBytes(env, source.Current(), o.InstanceType); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	a := answer.New(e, source, source, memory)
	self, err := os.Executable()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find the binary that decodes large pictures: %w", err), e.Close())
	}
	a.DecodeLarge(decoder.New(self, decodeCommand).Decode)
	o.Answerer = a
	if err := warmOne(ctx, a, runnable(source.Current())); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	go source.Watch(ctx, modelsEvery, func(*profile.Catalogue) {
		a.Unload()
		select {
		case changed <- struct{}{}:
		default: // the one before it is not taken up yet
		}
	},
		func(err error) {
			o.Log.Warn("could not read the added models; the catalogue stays unchanged", "error", err)
		})
	return e, nil
}

// warmer loads models.
type warmer interface {
	Warm(ctx context.Context, names ...string) error
}

// warmOne loads the first model that can be loaded: one model's fault, such as a
// network with another digest, keeps no other from being served. It is an error
// when there is none.
func warmOne(ctx context.Context, a warmer, models []string) error {
	var faults []error
	for _, name := range models {
		err := a.Warm(ctx, name)
		if err == nil {
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// modelBytes is the most that loaded models take together: what
// PARAGON_MODEL_MEMORY_MB says, else half of the instance's memory.
func modelBytes(env func(string) string, c *profile.Catalogue, instanceType string) (int64, error) {
	if text := env(environment.ModelMemory); text != "" {
		mb, err := strconv.ParseInt(text, 10, 64)
		if err != nil || mb < 1 || mb > 1<<20 {
			return 0, fmt.Errorf("%s: %q is not a whole number of 1 to %d MB", environment.ModelMemory, text, 1<<20)
		}
		return mb << 20, nil
	}
	in, _ := c.Instance(instanceType) // one that is not known is refused later, with its name
	return int64(in.MemoryMB) << 20 / 2, nil
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
