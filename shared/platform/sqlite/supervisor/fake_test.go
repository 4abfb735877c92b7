package supervisor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/environment"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

var errDown = errors.New("backend is down")

// fakeBackend is what is wanted, the roster and the reporter of one pool, in memory.
type fakeBackend struct {
	mu       sync.Mutex
	desired  int
	draining []string
	there    []platform.WorkerReport
	gone     []string
	failed   []string // why launches failed
	down     bool
	changed  chan struct{}
}

func newFakeBackend(desired int) *fakeBackend {
	return &fakeBackend{desired: desired, changed: make(chan struct{})}
}

// change changes the fleet and notifies the listeners.
func (h *fakeBackend) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *fakeBackend) err() error {
	if h.down {
		return errDown
	}
	return nil
}

func (h *fakeBackend) Desired(context.Context, string) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.desired, h.err()
}

func (h *fakeBackend) Draining(context.Context, string) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.draining), h.err()
}

func (h *fakeBackend) FleetChanged() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

func (h *fakeBackend) Workers(context.Context, string) ([]platform.WorkerReport, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.there), h.err()
}

func (h *fakeBackend) Launch(_ context.Context, r platform.WorkerReport) (err error) {
	h.change(func() {
		if err = h.err(); err == nil {
			h.there = append(h.there, r)
		}
	})
	return err
}

func (h *fakeBackend) LaunchFailed(_ context.Context, _, why string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = append(h.failed, why)
	return h.err()
}

func (h *fakeBackend) NoteEnd(ctx context.Context, id string) error { return h.MarkGone(ctx, id) }

func (h *fakeBackend) MarkGone(_ context.Context, id string) (err error) {
	h.change(func() {
		if err = h.err(); err == nil {
			h.gone = append(h.gone, id)
			h.there = slices.DeleteFunc(h.there, func(r platform.WorkerReport) bool { return r.ID == id })
		}
	})
	return err
}

func (h *fakeBackend) Register(worker string) string { return "secret-of-" + worker }

// ids returns who is there.
func (h *fakeBackend) ids() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for _, r := range h.there {
		ids = append(ids, r.ID)
	}
	return ids
}

// fakeChild is a process that ends when the test, or a kill, ends it.
type fakeChild struct {
	spec process.Spec
	deaf bool // to SIGTERM
	at   time.Time

	mu                 sync.Mutex
	terminated, killed bool
	err                error
	done               chan struct{}
}

func (c *fakeChild) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.done:
	default:
		c.err = err
		close(c.done)
	}
}

func (c *fakeChild) PID() int              { return 1 }
func (c *fakeChild) Done() <-chan struct{} { return c.done }

func (c *fakeChild) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *fakeChild) LastLine() string { return "the last line" }

func (c *fakeChild) Terminate() {
	c.mu.Lock()
	c.terminated = true
	c.mu.Unlock()
	if !c.deaf {
		c.end(nil)
	}
}

func (c *fakeChild) Kill() {
	c.mu.Lock()
	c.killed = true
	c.mu.Unlock()
	c.end(errors.New("signal: killed"))
}

func (c *fakeChild) Stop(ctx context.Context) {
	c.Terminate()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.Kill()
	}
}

// signals returns what it was sent.
func (c *fakeChild) signals() (terminated, killed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.terminated, c.killed
}

func (c *fakeChild) id() string {
	for _, kv := range c.spec.Env {
		if id, ok := strings.CutPrefix(kv, environment.WorkerID+"="); ok {
			return id
		}
	}
	return ""
}

// fleet is a supervisor over fakes.
type fleet struct {
	*Supervisor
	backend *fakeBackend

	mu        sync.Mutex
	children  []*fakeChild
	deaf      bool  // of children that start from now on
	stillborn error // children end with it as they start
}

// behave says how children are that start from now on.
func (f *fleet) behave(deaf bool, stillborn error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deaf, f.stillborn = deaf, stillborn
}

// close stops the fleet, the hard way after a while.
func (f *fleet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f.Stop(ctx)
}

func newFleet(t *testing.T, desired int, o Options) *fleet {
	t.Helper()
	f := &fleet{backend: newFakeBackend(desired)}
	o.Pools = []Pool{{Name: "general", InstanceType: "c5.large", Runners: 2}}
	o.Wanted, o.Roster, o.Reporter = f.backend, f.backend, f.backend
	s, err := begin(o, f.start)
	if err != nil {
		t.Fatal(err)
	}
	f.Supervisor = s
	return f
}

func (f *fleet) start(spec process.Spec) (child, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &fakeChild{spec: spec, deaf: f.deaf, at: time.Now(), done: make(chan struct{})}
	f.children = append(f.children, c)
	if f.stillborn != nil {
		c.end(f.stillborn)
	}
	return c, nil
}

// running returns the processes that run.
func (f *fleet) running() []*fakeChild {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.children), func(c *fakeChild) bool {
		select {
		case <-c.done:
			return true
		default:
			return false
		}
	})
}
