// Package debug serves Go's profiles of a process on an address of its own, on
// loopback only and only when it is asked to: never at the address of the API.
package debug

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/paragon-serving/paragon/shared/core/loopback"
)

// Env names the variable with the address of a child process, such as
// "127.0.0.1:0"; port 0 takes a free one. Unset, nothing listens.
const Env = "PARAGON_DEBUG_ADDR"

// Serve answers profiles under /debug/pprof/ on a loopback address until stop
// is called, and logs where. With an empty address it does nothing.
func Serve(addr string, log *slog.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	if err := loopback.CheckAddr(addr); err != nil {
		return nil, fmt.Errorf("debug address %w: profiles show what a process holds", err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve profiles: %w", err)
	}
	// Profiles are streamed for as long as the caller asks: no write timeout.
	srv := &http.Server{Handler: handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("stopped serving profiles", "error", err)
		}
	}()
	log.Info("serving profiles", "url", "http://"+l.Addr().String()+"/debug/pprof/")
	return func() { _ = srv.Close() }, nil
}

// ServeEnv is Serve at the address of the environment. That it cannot is logged:
// it keeps no process from its work.
func ServeEnv(env func(string) string, log *slog.Logger) (stop func()) {
	stop, err := Serve(env(Env), log)
	if err != nil {
		log.Error("profiles are not served", "variable", Env, "error", err)
		return func() {}
	}
	return stop
}

// Child is the address for the children of a process that serves profiles at
// addr: a free port each, or nothing.
func Child(addr string) string {
	if addr == "" {
		return ""
	}
	return "127.0.0.1:0"
}

// handler has its own routes: those that package pprof registers by itself are
// on the default mux, which nothing here serves.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
