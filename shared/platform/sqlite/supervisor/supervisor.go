// Package supervisor runs the workers of the local fleet as child processes. It
// keeps the number that is desired of every pool, as an Auto Scaling group
// does: a worker appears after a boot delay, one that dies is marked as gone at
// once and replaced, and scale-in kills nobody, as workers leave by their own hand.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// Wanted reports what the fleet should be.
type Wanted interface {
	Desired(ctx context.Context, pool string) (int, error)
	// Draining returns the workers that are marked to leave.
	Draining(ctx context.Context, pool string) ([]string, error)
	// FleetChanged returns a channel that is closed by the next change of the
	// fleet: it is taken before looking.
	FleetChanged() <-chan struct{}
}

// Roster is where workers are written down.
type Roster interface {
	// Launch stores a worker by its first report.
	Launch(ctx context.Context, r platform.WorkerReport) error
	// LaunchFailed stores why a worker could not be launched.
	LaunchFailed(ctx context.Context, pool, why string) error
	// NoteEnd stores that a worker's process has ended; a repeat does nothing.
	NoteEnd(ctx context.Context, id string) error
	// Register returns the secret by which a worker reaches the backend.
	Register(worker string) string
}

// Reporter lists workers that are not gone, booting ones included.
type Reporter interface {
	Workers(ctx context.Context, pool string) ([]platform.WorkerReport, error)
}

// Pool is a pool of workers.
type Pool struct {
	Name         string
	InstanceType string
	Runners      int // of one worker: its vCPUs
}

// Fault is what goes wrong with one worker, in tests and demonstrations.
type Fault struct {
	LaunchFails bool          // it is refused, as for want of capacity
	SlowBoot    time.Duration // on top of the boot delay
	NeverReady  bool          // it boots for ever
	DiesAfter   time.Duration // time after its process began at which it is killed; 0 means never
	// SpotAfter takes it back this time after its process began, with a notice of
	// SpotNotice as a spot instance has; 0 means never.
	SpotAfter time.Duration
}

// SpotNotice is how long a spot instance has from the notice to its end.
const SpotNotice = 2 * time.Minute

// Options say what to run.
type Options struct {
	Pools     []Pool
	Path      string   // the worker's binary
	Args      []string // without the binary
	BaseURL   string   // of the backend; a secret follows
	BootDelay time.Duration
	Grace     time.Duration // what a worker that was declared dead gets to end; 0 means 5 s
	Paced     bool
	Profiles  string
	Env       []string // what workers see besides
	Wanted    Wanted
	Roster    Roster
	Reporter  Reporter
	// Fault reports what goes wrong with the nth launch, counted from 0 over all
	// pools; nil means nothing. Faults adds what is injected while it runs;
	// nil means nothing either.
	Fault  func(n int) Fault
	Faults *Faults
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger     // nil drops everything
}

// Supervisor keeps the workers of all pools.
type Supervisor struct {
	opts      Options
	parentEnv []string
	start     func(process.Spec) (child, error)
	pools     []*pool
	sockets   string // folder

	mu       sync.Mutex // guards what follows
	launches int
	ends     []End // the unexpected ones, oldest first

	quit     chan struct{}   // closed by Stop
	stop     context.Context // Stop's; set before quit is closed
	stopping sync.Once
	running  sync.WaitGroup
	spawner  *process.Spawner
}

// child is a worker's process.
type child interface {
	PID() int
	Done() <-chan struct{}
	Err() error
	LastLine() string
	Terminate()
	Kill()
	Stop(ctx context.Context)
}

// Start watches what is desired and keeps it, until Stop.
func Start(opts Options) (*Supervisor, error) {
	spawner := process.NewSpawner()
	s, err := begin(opts, func(spec process.Spec) (child, error) { return spawner.Start(spec) })
	if err != nil {
		spawner.Close()
		return nil, err
	}
	s.spawner = spawner
	return s, nil
}

// begin is Start with the processes of one's choice.
func begin(opts Options, start func(process.Spec) (child, error)) (*Supervisor, error) {
	for _, p := range opts.Pools {
		if p.Name == "" || p.Runners <= 0 {
			return nil, fmt.Errorf("pool %q needs a name and one or more runners", p.Name)
		}
	}
	if opts.Wanted == nil || opts.Roster == nil || opts.Reporter == nil {
		return nil, errors.New("workers need a backend")
	}
	if opts.Grace == 0 {
		opts.Grace = 5 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Fault == nil {
		opts.Fault = func(int) Fault { return Fault{} }
	}
	if opts.Faults == nil {
		opts.Faults = &Faults{}
	}
	sockets, err := newSocketFolder()
	if err != nil {
		return nil, err
	}
	s := &Supervisor{opts: opts, parentEnv: process.Basics(os.Environ()), start: start, sockets: sockets, quit: make(chan struct{})}
	for _, p := range opts.Pools {
		s.pools = append(s.pools, &pool{Pool: p, s: s, workers: map[string]*worker{}})
	}
	for _, p := range s.pools {
		s.running.Go(p.watch)
	}
	return s, nil
}

// Stop has every worker drain (SIGTERM), kills what is left when ctx ends, and
// returns when none is. The backend must answer until then, for workers finish
// what they hold.
func (s *Supervisor) Stop(ctx context.Context) {
	s.stopping.Do(func() {
		s.stop = ctx
		close(s.quit)
	})
	s.running.Wait()
	if err := os.RemoveAll(s.sockets); err != nil {
		s.opts.Logger.Warn("could not remove the workers' sockets", "folder", s.sockets, "error", err)
	}
	if s.spawner != nil {
		s.spawner.Close()
	}
}

// End is the end of a worker's process that nobody asked for.
type End struct {
	Worker   string
	At       time.Time
	Why      string // how the process ended, such as "signal: killed"
	LastLine string // of its output, or the first line of its crash
}

// mostEnds bounds how many ends are kept.
const mostEnds = 1000

// Ends returns the ends of workers that nobody asked for since a time, oldest first.
func (s *Supervisor) Ends(since time.Time) []End {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.ends, func(e End) bool { return !e.At.Before(since) })
	if i < 0 {
		return nil
	}
	return slices.Clone(s.ends[i:])
}

// ended keeps an end that nobody asked for.
func (s *Supervisor) ended(e End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, e)
	if more := len(s.ends) - mostEnds; more > 0 {
		s.ends = slices.Delete(s.ends, 0, more)
	}
}

// nextFault counts a launch and reports what goes wrong with it.
func (s *Supervisor) nextFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.launches
	s.launches++
	return s.opts.Faults.Next(s.opts.Fault(n))
}
