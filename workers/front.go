package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/paragon-serving/paragon/shared/balancer/bodies"
	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/intake"
	"github.com/paragon-serving/paragon/shared/intake/httpapi"
	"github.com/paragon-serving/paragon/shared/peer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/serving"
	"github.com/paragon-serving/paragon/shared/stage"
)

const (
	// headerTime bounds how long a request's head may take. What is idle for
	// longer than the balancer keeps a connection (60 s) is closed by the
	// balancer, never by the worker while a request is on its way.
	headerTime, idleTime = 10 * time.Second, 120 * time.Second
	// stopTime bounds the end of the requests under way.
	stopTime = 30 * time.Second
)

// front takes requests, as the api function does elsewhere.
type front struct {
	intake   *intake.Service
	listener net.Listener
	server   *http.Server
}

// openFront makes the worker's front, and nil where PARAGON_LISTEN is not set.
func openFront(ctx context.Context, env func(string) string, c platform.Backend, w *serving.Worker) (*front, error) {
	if env(environment.Listen) == "" {
		return nil, nil
	}
	keys, err := stage.Keys(ctx, env)
	if err != nil {
		return nil, err
	}
	parts := partsOf(c, w)
	parts.Callbacks = callback.Reach(env(environment.Callbacks))
	own := intake.Config{Keys: keys, Worker: w, Counts: w.Counts, Peers: peer.NewClient(keys), Addr: w.Addr}
	if own.Functions, err = parts.Dispatcher(nil, nil); err != nil {
		return nil, err
	}
	f := &front{}
	if f.intake, err = parts.Intake(own); err != nil {
		return nil, err
	}
	w.Overflow = f.intake.MayOverflow
	handler, err := parts.Handler(f.intake, httpapi.Options{Owner: owners(stage.SharedRoles(env)), AnyHost: true, Health: w.Health})
	if err != nil {
		return nil, err
	}
	if path := env(bodies.Env); path != "" {
		shared, err := bodies.Open(path)
		if err != nil {
			return nil, err
		}
		handler = shared.Handler(handler)
	}
	f.server = &http.Server{Handler: withOffers(handler, peer.Handler(w, keys)), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime}
	if f.listener, err = stage.Listen(env(environment.Listen)); err != nil {
		return nil, err
	}
	f.listener = httpapi.Bounded(f.listener, httpapi.MostConnections)
	return f, nil
}

// partsOf are what the front is assembled of.
func partsOf(c platform.Backend, w *serving.Worker) stage.Parts {
	return stage.Parts{
		Platform: c, Catalogue: w.Catalogue, Arch: w.Arch, Pools: []intake.Pool{{Name: w.Pool, InstanceType: w.InstanceType}},
		Settings: w.Settings, Paced: w.Paced, Traces: w.Traces, Log: w.Log,
	}
}

// withOffers takes what peers offer in addition to what callers ask.
func withOffers(callers, peers http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == peer.Path {
			peers.ServeHTTP(w, r)
			return
		}
		callers.ServeHTTP(w, r)
	})
}

// owners returns who calls, as the process that is before the worker says.
func owners(shared []string) func(*http.Request) string {
	return func(r *http.Request) string { return stage.Owner(httpapi.BalancedOwner(r), shared) }
}

// during takes requests while run runs, and lets those under way end.
func (f *front) during(ctx context.Context, run func(context.Context) error) error {
	counting, stop := context.WithCancel(context.WithoutCancel(ctx))
	counted := make(chan struct{})
	go func() { defer close(counted); f.intake.Run(counting) }()
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(f.listener) }()

	err := run(ctx)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err = errors.Join(err, f.server.Shutdown(end))
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve on %s: %w", strings.TrimPrefix(f.listener.Addr().String(), "unix:"), failed))
	}
	f.intake.Settle()
	stop()
	<-counted
	return err
}
