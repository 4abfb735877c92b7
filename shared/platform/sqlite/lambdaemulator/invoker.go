// Package lambdaemulator is a Lambda on one machine: it starts function
// environments as child processes of the very binary that deploys, speaks the
// Lambda Runtime API to them over loopback, and keeps Lambda's rules: a true
// cold start, one event at a time, environments kept warm for a while, a bound
// on their number, a fault for the one event during which a process died.
package lambdaemulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// maxPayload is the most bytes of an event or of a response, as on Lambda.
const maxPayload = 6 << 20

// initAllowance is what a cold start may take on top of the function's
// timeout. Lambda gives the first try this time and repeats it within the timeout.
const initAllowance = 10 * time.Second

// Function is one inference function.
type Function struct {
	Name      string
	Bootstrap string // the binary to run
	MemoryMB  int    // reported to the function; not enforced
	Env       []string
	Timeout   time.Duration // of one event, without the cold start
}

// Options say what to run and how much of it.
type Options struct {
	Functions []Function
	// MaxConcurrency bounds the environments of all functions together; 0
	// throttles every event.
	MaxConcurrency int
	// KeepAlive is how long an environment without an event stays warm.
	KeepAlive time.Duration
	// Freeze stops each process between two events, and lets one that has registered
	// an extension know of its end by SIGTERM, as Lambda does.
	Freeze bool
	// Pace gives the least time that an event, and its cold start, takes: the
	// environment and its caller are held for that time, so that a small machine
	// shows the service time of the profile it stands for. Nil holds nothing.
	Pace   func(function string, payload []byte, cold bool) time.Duration
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil drops what functions print
}

// Stats is what one function did so far.
type Stats struct {
	Function    string `json:"function"`
	MemoryMB    int    `json:"memory_mb"`
	Warm        int    `json:"warm"` // environments that wait for an event
	Busy        int    `json:"busy"` // environments that start or run one
	Invocations int64  `json:"invocations"`
	ColdStarts  int64  `json:"cold_starts"`
	Throttles   int64  `json:"throttles"`
	Faults      int64  `json:"faults"`
}

// Invoker runs functions. It implements platform.Invoker.
type Invoker struct {
	opts      Options
	parentEnv []string
	spawner   *process.Spawner
	server    *http.Server
	addr      string
	after     func(time.Duration) <-chan time.Time // of pacing
	allowance time.Duration                        // initAllowance, less in tests

	mu           sync.Mutex // guards what follows and what the functions count
	functions    map[string]*function
	order        []*function
	environments map[string]*environment
	closed       bool

	quit    chan struct{}  // closed with closed
	running sync.WaitGroup // every goroutine of ours
	close   sync.Once
}

var _ platform.Invoker = (*Invoker)(nil)

// New returns an invoker that listens on loopback; no environment is started
// before its first event. Close ends it.
func New(opts Options) (*Invoker, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	in := &Invoker{
		opts: opts, parentEnv: process.Basics(os.Environ()), after: time.After, allowance: initAllowance,
		functions: map[string]*function{}, environments: map[string]*environment{}, quit: make(chan struct{}),
	}
	if opts.MaxConcurrency < 0 || opts.KeepAlive <= 0 {
		return nil, errors.New("functions need a concurrency of 0 or more and a keep-alive above 0")
	}
	if err := in.SetFunctions(opts.Functions); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for functions: %w", err)
	}
	// A worker shares its runners fairly between callers. Functions that took the cores
	// from the workers of the same machine would undo that, as the load of one caller
	// overflows to as many of them as there are.
	in.addr, in.server, in.spawner = l.Addr().String(), in.newServer(), process.NewYieldingSpawner()
	in.running.Go(func() { _ = in.server.Serve(l) }) // always ErrServerClosed: nothing else ends it
	in.running.Go(in.expireForever)
	return in, nil
}

// Invoke runs a function. When ctx ends the caller is freed and the
// environment finishes its event. A fault's error is a *FunctionError; what it
// cost is in the Invocation all the same.
func (in *Invoker) Invoke(ctx context.Context, name string, payload []byte) (platform.Invocation, error) {
	f := in.function(name)
	if f == nil {
		return platform.Invocation{}, fmt.Errorf("invoke function %q: %w", name, platform.ErrNotFound)
	}
	if len(payload) > maxPayload {
		return platform.Invocation{}, fmt.Errorf("invoke function %s with %d bytes: %w", name, len(payload), platform.ErrTooLarge)
	}
	if err := ctx.Err(); err != nil {
		return platform.Invocation{}, fmt.Errorf("invoke function %s: %w", name, err)
	}
	e, evicted, err := in.acquire(f)
	if err != nil {
		return platform.Invocation{}, fmt.Errorf("invoke function %s: %w", name, err)
	}
	type outcome struct {
		invocation platform.Invocation
		err        error
	}
	result := make(chan outcome, 1)
	payload = bytes.Clone(payload) // a caller that left may change its own
	go func() {
		defer in.running.Done() // added by acquire
		inv, err := in.run(e, evicted, payload)
		result <- outcome{inv, err}
	}()
	select {
	case o := <-result:
		return o.invocation, o.err
	case <-ctx.Done():
		return platform.Invocation{}, fmt.Errorf("invoke function %s: %w", name, ctx.Err())
	}
}

// Stats returns what every function did, in the order of their registration.
func (in *Invoker) Stats() []Stats {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make([]Stats, len(in.order))
	for i, f := range in.order {
		all[i] = f.stats
		all[i].Function, all[i].MemoryMB, all[i].Warm = f.Name, f.MemoryMB, len(f.warm)
	}
	return all
}

// shutdown is what Lambda gives a function's process from SIGTERM to SIGKILL, with an
// extension at the most (AWS Lambda Developer Guide, "Shutdown phase"). A runtime that
// catches SIGTERM does not end by itself.
const shutdown = 2 * time.Second

// Close stops every environment, by SIGTERM and, after two seconds or once ctx has
// ended, by SIGKILL, and returns when none is left. An event that still runs is a
// fault for its caller.
func (in *Invoker) Close(ctx context.Context) error {
	in.close.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, shutdown)
		defer cancel()
		var stopping sync.WaitGroup
		for _, child := range in.shut() {
			stopping.Go(func() { child.Stop(ctx) })
		}
		stopping.Wait()
		_ = in.server.Close() // of the listener: nobody is left to answer
		in.running.Wait()
		in.spawner.Close()
	})
	return nil
}

// shut refuses further events and returns the processes there are.
func (in *Invoker) shut() []*process.Child {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	close(in.quit)
	var children []*process.Child
	for _, e := range in.environments {
		if e.child != nil { // one that is not there yet is killed as it comes
			children = append(children, e.child)
		}
	}
	return children
}
