package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon/machine/remote"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/balancer/bodies"
	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/dispatch"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/lambdaemulator"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/supervisor"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/savings"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Version is what the binary says it is.
const Version = "0.1.0"

// stopGrace is how long children and requests under way get to end in order.
const stopGrace = 10 * time.Second

// Machine is a running Paragon. Close it in order with Close; killed at any
// line, the next Start on the same folder goes on where it stopped.
type Machine struct {
	cfg            Config
	log            *slog.Logger
	set            *profiles.Set
	catalogue      *profile.Catalogue // that it came with
	store          *modelstore.Store  // the same, with the models that it was given
	instance       profile.Instance
	library        string // ONNX Runtime's file, checked
	settings       *tuning.Source
	keys           signed.Keys // of ids and receipts
	operator       operator.Token
	keySet         string // the keys, as children read them
	callbackKey    callback.Key
	secrets        secrets
	functions      *lambdaemulator.Invoker
	functionBinary string
	dispatcher     *dispatch.Dispatcher
	front          atomic.Pointer[front] // nil until the API is served
	backend        platform.Backend
	bodies         *bodies.Pool // of requests, shared with workers; nil where that cannot be
	meter          *meter
	counts         *tally.Book // of the queries that this process ended
	metrics        *tallied
	recorder       *recorder
	replaced       map[string]string
	boots          bootTimes
	savings        savings.Latest
	play           savings.Play // simulates schemes
	faults         *faultHandler
	fleet          *supervisor.Supervisor
	traces         *tracing.Source

	listener  net.Listener    // of the API
	remote    net.Listener    // of other machines; nil where none reaches the API
	remoteAPI *remote.Handler // before the API for them
	grpc      net.Listener    // of the gRPC service; nil where it is not served
	closers   []func()        // in order of starting
}

// Start brings everything up and returns once the API answers. What was
// accepted before and not finished goes on at once.
func Start(ctx context.Context, cfg Config) (_ *Machine, err error) {
	if err := cfg.check(); err != nil {
		return nil, &Mistake{err}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Machine{cfg: cfg, log: cfg.Log, secrets: secrets{}}
	m.play = m.playApart
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	if err := m.openRemote(); err != nil {
		return nil, err
	}
	if err := m.loadProfiles(); err != nil {
		return nil, err
	}
	if m.library, err = Library(); err != nil {
		return nil, err
	}
	if err := m.openLog(); err != nil { // what cannot start leaves no data folder
		return nil, err
	}
	if err := m.openTraces(); err != nil {
		return nil, err
	}
	if err := m.proveModels(ctx); err != nil {
		return nil, err
	}
	invoker, err := m.startFunctions()
	if err != nil {
		return nil, err
	}
	owner, err := m.openBackend(ctx, invoker)
	if err != nil {
		return nil, err
	}
	if err := m.startWorkers(ctx, owner); err != nil {
		return nil, err
	}
	if err := m.startJobs(owner); err != nil {
		return nil, err
	}
	return m, m.serveAPI(owner)
}

// URL is where the API answers.
func (m *Machine) URL() string { return "http://" + m.listener.Addr().String() }

// RemoteURL is where other machines reach the API; empty where none does.
func (m *Machine) RemoteURL() string {
	if m.remote == nil {
		return ""
	}
	return remote.URL(m.cfg.Remote, m.remote)
}

// GRPCAddr is where the gRPC service answers; empty where it is not served.
func (m *Machine) GRPCAddr() string {
	if m.grpc == nil {
		return ""
	}
	return m.grpc.Addr().String()
}

// Settings are the settings in force.
func (m *Machine) Settings() settings.Settings { return m.settings.Current() }

// Replaced are the values that settings of the data folder had before this start set
// them to others.
func (m *Machine) Replaced() map[string]string { return m.replaced }

// Samples holds the sample pictures of the catalogue.
func (m *Machine) Samples() fs.FS { return m.set.Samples(m.catalogue.Name) }

// Catalogue is what was started with, without the models that were added.
func (m *Machine) Catalogue() *profile.Catalogue { return m.catalogue }

// Close stops what was started, the last first.
func (m *Machine) Close() {
	for i := len(m.closers) - 1; i >= 0; i-- {
		m.closers[i]()
	}
	m.closers = nil
}

func (m *Machine) onClose(f func()) { m.closers = append(m.closers, f) }

// background runs jobs until Close, which waits for them.
func (m *Machine) background(jobs ...func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, job := range jobs {
		running.Go(func() { job(ctx) })
	}
	m.onClose(func() {
		stop()
		running.Wait()
	})
}

// dispatching runs the dispatcher until Close, which lets what is under way end.
// A function that hangs would hold it up for its whole timeout: after a grace
// all functions are ended, and their queries go back to a work queue.
func (m *Machine) dispatching(pump func(context.Context), endFunctions func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); pump(ctx) }()
	m.onClose(func() {
		stop()
		within(stopGrace, func(grace context.Context) {
			select {
			case <-ended:
			case <-grace.Done():
				m.log.Warn("functions did not stop in time and are killed; their queries continue at the next start")
				_ = endFunctions(grace) // it kills them, as the grace is over
			}
		})
		<-ended
	})
}

// loadProfiles reads what is known of models, machines and prices.
func (m *Machine) loadProfiles() (err error) {
	if dir := m.cfg.ProfilesDir; dir != "" { // children have working folders of their own
		if m.cfg.ProfilesDir, err = filepath.Abs(dir); err != nil {
			return fmt.Errorf("find the profiles: %w", err)
		}
	}
	if m.set, err = schema.Load(m.cfg.ProfilesDir); err != nil {
		return fmt.Errorf("load profiles: %w", err)
	}
	if m.catalogue, err = m.set.Catalogue(m.cfg.Catalogue); err != nil {
		if names, listed := m.set.Names(); listed == nil && !slices.Contains(names, m.cfg.Catalogue) {
			return &Mistake{fmt.Errorf("there is no catalogue %q, only: %s", m.cfg.Catalogue, strings.Join(names, ", "))}
		}
		return fmt.Errorf("load profiles: %w", err)
	}
	if err := m.openStore(); err != nil {
		return err
	}
	in, ok := m.catalogue.Instance(m.cfg.InstanceType)
	if !ok {
		return &Mistake{fmt.Errorf("there is no instance type %q, only: %s", m.cfg.InstanceType, strings.Join(instanceTypes(m.catalogue), ", "))}
	}
	m.instance = in
	m.meter, m.counts = newMeter(m.catalogue, in, time.Now), tally.NewBook(time.Now())
	return nil
}

// openBackend opens the data folder and reads the settings.
func (m *Machine) openBackend(ctx context.Context, invoker platform.Invoker) (*sqlite.Backend, error) {
	owner, err := sqlite.Open(ctx, filepath.Join(m.cfg.DataDir, "paragon.db"), sqlite.Options{Invoker: invoker})
	if err != nil {
		return nil, err
	}
	m.onClose(func() {
		if err := owner.Close(); err != nil {
			m.log.Error("close the data file", "error", err)
		}
	})
	if err := m.store.DropDrafts(time.Now()); err != nil { // no other process writes this folder now
		m.log.Error("remove files that an earlier process left in the folder of models", "error", err)
	}
	if err := errors.Join(m.openKeys(), m.openCallbackKey()); err != nil {
		return nil, err
	}
	if m.operator, err = operator.Make(m.cfg.DataDir); err != nil {
		return nil, err
	}
	m.secrets[operator.TokenFile] = m.operator.Text()
	m.onClose(func() { m.restoreSecrets(owner) })
	m.backend = owner.Platform()
	m.metrics = newTallied(m.backend.Metrics, m.backend.Queues, time.Now())
	m.metrics.served = m.servedKeys
	m.backend.Metrics = m.metrics
	if err := m.storeSettings(ctx); err != nil {
		return nil, err
	}
	m.settings = tuning.New(m.backend.Settings)
	if err := m.settings.Refresh(ctx); err != nil {
		m.log.Warn("stored settings cannot be read or are invalid, so their defaults are in force", "error", err)
	}
	return owner, nil
}

// storeSettings stores what was asked for, where it is not so already.
func (m *Machine) storeSettings(ctx context.Context) error {
	have, _, err := m.backend.Settings.Raw(ctx)
	if err != nil {
		return err
	}
	m.replaced = map[string]string{}
	for name, value := range m.cfg.first(have) {
		old, ok := have[name]
		if ok && old == value {
			continue
		}
		if err := m.backend.Settings.Set(ctx, name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
		if ok {
			m.replaced[name] = old
		}
	}
	return nil
}

// startFunctions makes the inference functions callable; the first query
// starts one.
func (m *Machine) startFunctions() (platform.Invoker, error) {
	path, err := m.cfg.binary("inference")
	if err != nil {
		return nil, err
	}
	m.functionBinary = path
	opts := lambdaemulator.Options{
		Functions: m.functionsNow(), MaxConcurrency: m.cfg.MaxFunctions, KeepAlive: m.cfg.KeepAlive, Logger: m.log,
	}
	if m.cfg.Paced {
		opts.Pace = pace(m.store)
	}
	in, err := lambdaemulator.New(opts)
	if err != nil {
		return nil, fmt.Errorf("start the function runtime: %w", err)
	}
	m.functions = in
	m.onClose(func() { within(stopGrace, func(ctx context.Context) { _ = in.Close(ctx) }) })
	if !m.cfg.Paced {
		return newCoreBound(in, runtime.GOMAXPROCS(0), m.readyWorkers), nil
	}
	return in, nil
}

// startWorkers starts the fleet and the loopback listener by which workers reach
// the backend.
func (m *Machine) startWorkers(ctx context.Context, owner *sqlite.Backend) error {
	path, err := m.cfg.binary("worker")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for workers: %w", err)
	}
	m.serve("the workers' RPC listener", listener, sqlite.NewServer(owner))
	if err := m.sizeFleet(ctx, owner); err != nil {
		return err
	}
	faults := &supervisor.Faults{}
	m.shareBodies()
	fleet, err := supervisor.Start(supervisor.Options{
		Pools: []supervisor.Pool{{Name: Pool, InstanceType: m.instance.Type, Runners: m.instance.VCPUs}},
		Path:  path, BaseURL: "http://" + listener.Addr().String(),
		BootDelay: m.cfg.Boot, Grace: stopGrace, Paced: m.cfg.Paced, Profiles: m.cfg.ProfilesDir,
		Env:    append(m.childEnv(), names.SigningKeys+"="+m.keySet, bodies.Env+"="+m.bodiesPath(), environment.Callbacks+"="+string(m.reach())),
		Wanted: owner, Roster: owner, Reporter: m.backend.Fleet, Fault: m.cfg.Fault, Faults: faults, Logger: m.log,
	})
	if err != nil {
		return fmt.Errorf("start the fleet: %w", err)
	}
	m.fleet = fleet
	m.faults = &faultHandler{active: faults, fleet: fleet, backend: owner, most: m.cfg.groupMax()}
	m.onClose(func() { within(stopGrace, fleet.Stop) })
	return nil
}

// sharedBodies bounds the bytes of bodies in memory that workers share; what is
// above it is sent to them.
const sharedBodies = 512 << 20

// shareBodies makes the memory in which workers read the bodies of requests.
// Where there is none, they are sent.
func (m *Machine) shareBodies() {
	shared, err := bodies.New(sharedBodies)
	if err != nil {
		m.log.Info("request bodies are sent to workers over HTTP, because memory cannot be shared with them", "error", err)
		return
	}
	m.bodies = shared
	m.onClose(func() { _ = shared.Close() }) // of an open file of memory
}

// bodiesPath is where workers find that memory; empty without.
func (m *Machine) bodiesPath() string {
	if m.bodies == nil {
		return ""
	}
	return m.bodies.Path()
}

// sizeFleet bounds the group and says how many workers to begin with. A fleet
// that moves begins as it was, if it was larger.
func (m *Machine) sizeFleet(ctx context.Context, owner *sqlite.Backend) error {
	most := m.cfg.groupMax()
	if err := owner.SetGroup(ctx, Pool, 0, most); err != nil {
		return fmt.Errorf("set the limits of the group of workers: %w", err)
	}
	workers := m.cfg.Workers
	if m.cfg.Scheme != "" {
		before, err := owner.Desired(ctx, Pool)
		if err != nil {
			return err
		}
		workers = min(most, max(workers, before))
	}
	if err := m.backend.Fleet.SetDesired(ctx, Pool, workers); err != nil {
		return fmt.Errorf("set the number of workers: %w", err)
	}
	return nil
}

// serve answers HTTP on a listener until Close.
func (m *Machine) serve(what string, l net.Listener, h http.Handler) {
	m.serveBy(what, l, &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute})
}

// serveBy has a server answer on a listener until Close.
func (m *Machine) serveBy(what string, l net.Listener, srv *http.Server) {
	var served sync.WaitGroup
	served.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("stopped serving", "what", what, "error", err)
		}
	})
	m.onClose(func() {
		defer served.Wait()
		within(stopGrace, func(ctx context.Context) {
			if srv.Shutdown(ctx) != nil {
				_ = srv.Close()
			}
		})
	})
}

// within runs f with a context that ends after d.
func within(d time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	f(ctx)
}
