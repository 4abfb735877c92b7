// Package process starts child processes that do not outlive their parent:
// each is a process group of its own, dies with this process whatever kills it
// (on Linux by the kernel's hand), and has its output logged line by line. One
// that ends by itself with an error is a warning, with its last line.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/priority"
)

// ErrClosed is returned by a spawner that was closed.
var ErrClosed = errors.New("spawner is closed")

// drainWait is how long output is still read after a child has ended, as a
// grandchild may hold the pipe open.
const drainWait = 500 * time.Millisecond

// Spec says what to start.
type Spec struct {
	Name   string   // prefix of its log lines
	Path   string   // binary
	Args   []string // without the binary
	Env    []string // all of it: nothing is inherited
	Dir    string   // working folder; empty means this process's
	Logger *slog.Logger
}

// Spawner starts children. Linux kills a child when the thread that forked it
// ends, so one goroutine forks them all and keeps its thread until Close.
type Spawner struct {
	starts chan start
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once
	yields bool // its children yield the processor to other processes
}

type start struct {
	cmd   *exec.Cmd
	reply chan error
}

// NewSpawner returns a spawner; Close ends it.
func NewSpawner() *Spawner { return newSpawner(false) }

// NewYieldingSpawner returns a spawner whose children run in the background of this
// machine's other processes: see priority.
func NewYieldingSpawner() *Spawner { return newSpawner(true) }

func newSpawner(yields bool) *Spawner {
	s := &Spawner{starts: make(chan start), quit: make(chan struct{}), done: make(chan struct{}), yields: yields}
	go s.fork()
	return s
}

func (s *Spawner) fork() {
	defer close(s.done)
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine, not earlier
	if s.yields {
		priority.LowerThread()
	}
	for {
		select {
		case st := <-s.starts:
			st.reply <- st.cmd.Start()
		case <-s.quit:
			return
		}
	}
}

// Close ends the spawner. Children that still run may be killed by it: stop
// them first.
func (s *Spawner) Close() {
	s.once.Do(func() { close(s.quit) })
	<-s.done
}

// Start starts a child.
func (s *Spawner) Start(spec Spec) (*Child, error) {
	out := &lines{name: spec.Name, logger: spec.Logger}
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env = slices.Concat([]string{}, spec.Env) // a nil one would inherit ours
	cmd.Dir = spec.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = drainWait
	cmd.SysProcAttr = tied()
	st := start{cmd: cmd, reply: make(chan error, 1)}
	select {
	case s.starts <- st:
	case <-s.quit:
		return nil, fmt.Errorf("start %s: %w", spec.Name, ErrClosed)
	}
	if err := <-st.reply; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	c := &Child{name: spec.Name, logger: spec.Logger, cmd: cmd, done: make(chan struct{})}
	go c.wait(out)
	return c, nil
}

// Child is a process that was started.
type Child struct {
	name   string
	logger *slog.Logger
	cmd    *exec.Cmd
	asked  atomic.Bool // to end, by us
	done   chan struct{}
	err    error  // set before done is closed, as last is
	last   string // of its output
}

func (c *Child) wait(out *lines) {
	err := c.cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well and left its output to another
	}
	out.flush()
	if err != nil && !c.asked.Load() && c.logger != nil {
		c.logger.Warn("a child process ended unexpectedly", "name", c.name, "error", err, "last_line", out.last)
	}
	c.err, c.last = err, out.last
	close(c.done)
}

// PID returns the process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the process has ended and its output is logged.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err returns how the process ended: nil for exit code 0, or while it runs.
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// LastLine returns the line of the output that says why the process crashed, or else its
// last line: nothing while it runs.
func (c *Child) LastLine() string {
	select {
	case <-c.done:
		return c.last
	default:
		return ""
	}
}

// Terminate asks the process to end (SIGTERM).
func (c *Child) Terminate() {
	c.asked.Store(true)
	terminate(c.cmd.Process)
}

// Freeze stops the process where it stands (SIGSTOP): neither its goroutines nor its
// timers go on until Thaw.
func (c *Child) Freeze() { stop(c.cmd.Process) }

// Thaw lets a frozen process go on (SIGCONT).
func (c *Child) Thaw() { goOn(c.cmd.Process) }

// Kill ends the process and what it started, at once.
func (c *Child) Kill() {
	c.asked.Store(true)
	select {
	case <-c.done: // its id may be another's by now
	default:
		kill(c.cmd.Process)
	}
}

// Stop asks the process to end, kills it when ctx ends first, and returns once
// it has ended.
func (c *Child) Stop(ctx context.Context) {
	c.Terminate()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.Kill()
		<-c.done
	}
}

// basics are the variables that any child may see: what a binary needs to
// run and to find its libraries, and no credentials. One that ends in * is a prefix.
var basics = []string{"PATH", "HOME", "XDG_CACHE_HOME", "TMPDIR", "PARAGON_ORT_LIB*", "GOTRACEBACK"}

// Basics picks from an environment (os.Environ) what any child may see.
func Basics(environ []string) []string {
	var picked []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if slices.ContainsFunc(basics, func(b string) bool { return matches(name, b) }) {
			picked = append(picked, kv)
		}
	}
	return picked
}

func matches(name, pattern string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return name == pattern
}
