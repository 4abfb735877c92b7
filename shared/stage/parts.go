package stage

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/docs"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/dispatch"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/aws/names"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Parts are what the intake and the dispatcher of any process are assembled of.
// All but Paced, Traces and Log must be set.
type Parts struct {
	Platform  platform.Backend
	Catalogue profile.CatalogueSource // with the function sizes that the stage has
	Arch      string                  // of the inference functions
	Pools     []intake.Pool
	Settings  func() settings.Settings // in force now
	Tunables  *tuning.Source           // where a function has them from; nil in other processes
	Callbacks callback.Reach           // where callbacks may be sent
	Paced     bool                     // the invoker holds functions to their profile's service time
	Traces    *tracing.Tracer          // nil traces nothing
	Log       *slog.Logger             // nil means slog.Default
}

// Dispatcher assembles what answers queries on inference functions. paid is
// called with the cost of each invocation; nil counts none.
func (p Parts) Dispatcher(paid func(usd float64), counts *tally.Book) (*dispatch.Dispatcher, error) {
	return dispatch.New(dispatch.Options{
		Catalogue: p.Catalogue, Arch: p.Arch, Pool: p.Pools[0].Name, Paced: p.Paced,
		Queues: p.Platform.Queues, Records: p.Platform.Records, Invoker: p.Platform.Invoker, Blobs: p.Platform.Blobs,
		Paid: paid, Counts: counts, Settings: p.Settings, Traces: p.Traces, Now: time.Now, Log: cmp.Or(p.Log, slog.Default()),
	})
}

// Intake assembles what takes queries in. own has what only this process has:
// keys, worker, counts, functions and its part of the status; all else is
// filled in.
func (p Parts) Intake(own intake.Config) (*intake.Service, error) {
	c := own
	h := p.Platform
	c.Records, c.Attempts, c.Shared, c.Fleet, c.Queues = h.Records, h.Attempts, h.Shared, h.Fleet, h.Queues
	c.Metrics, c.Blobs, c.Votes = h.Metrics, h.Blobs, h.Votes
	c.Inputs, c.BodyBytes, c.CallbackQueue = h.Inputs, h.BodyBytes, h.Callbacks
	c.Catalogue, c.Settings, c.Arch, c.Pools = p.Catalogue, p.Settings, p.Arch, p.Pools
	c.Traces, c.Log, c.Callbacks = p.Traces, p.Log, p.Callbacks
	return intake.New(c)
}

// Handler serves an intake by HTTP, with the document that describes it, and with the
// past of the stage where its operators do not see that there.
func (p Parts) Handler(svc *intake.Service, o httpapi.Options) (http.Handler, error) {
	o.OpenAPI, o.Log = docs.OpenAPI, p.Log
	if o.Operations == nil {
		o.Timeline, o.Owners = p.Platform.Timeline, p.Platform.Owners
	}
	return httpapi.New(svc, o)
}

// RefreshByViews keeps settings and catalogue of a process current that reads the view of
// the fleet, until ctx ends: it returns what is to be called with each view, which
// reports whether they have changed.
func (p Parts) RefreshByViews(ctx context.Context) func(context.Context, platform.FleetView) {
	go p.Tunables.Run(ctx, settings.RefreshEvery(settings.ViewReader))
	var version atomic.Int64
	version.Store(p.Tunables.State().Version) // as read at the start; 0 if that failed
	return func(ctx context.Context, v platform.FleetView) {
		if version.Load() != v.SettingsVersion && p.Tunables.Refresh(ctx) == nil { // else its state says why not
			version.Store(v.SettingsVersion)
		}
		if err := profile.RefreshTo(p.Catalogue, v.CatalogueVersion); err != nil {
			slog.Warn("could not read the added models; the catalogue stays unchanged", "error", err)
		}
	}
}

// OpenFunction reads the parts of a Lambda function from the environment, which
// its errors explain. The settings are read once: to keep them current is for the
// function. The source of traces is to be flushed at the end of each invocation.
func OpenFunction(ctx context.Context, env func(string) string, name string) (Parts, *tracing.Source, error) {
	p := Parts{Arch: Arch(env), Callbacks: callback.Reach(env(environment.Callbacks))}
	var err error
	if p.Platform, err = ConnectFunction(ctx, env, os.Stdout); err != nil {
		return p, nil, err
	}
	pools, err := Pools(env)
	if err != nil {
		return p, nil, err
	}
	for _, pool := range pools {
		p.Pools = append(p.Pools, intake.Pool{Name: pool.Name, InstanceType: pool.InstanceType})
	}
	if p.Catalogue, err = Catalogue(ctx, env, profiles.Load); err != nil {
		return p, nil, err
	}
	traces := tracing.Open(env, name, slog.Default())
	p.Traces = traces.Tracing()
	tunables := tuning.New(p.Platform.Settings)
	if err := tunables.Refresh(ctx); err != nil {
		slog.Warn("could not read the settings; starting with their defaults", "error", err)
	}
	p.Settings, p.Tunables = tunables.Current, tunables
	return p, traces, nil
}

// Arch is the architecture of the inference functions that PARAGON_ARCH names;
// x86_64 without it.
func Arch(env func(string) string) string { return cmp.Or(env(environment.Arch), "x86_64") }

// SharedRoles are the roles whose holders are one owner.
func SharedRoles(env func(string) string) []string { return strings.Fields(env(names.SharedRoles)) }
