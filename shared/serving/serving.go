// Package serving is the worker: it receives queries from its pool's work
// queues, answers them on its runners in the order of their deadlines, hands
// strict ones that would start too late over to the inference functions, and
// relaxed ones at their bounds where the rules allow it, and says how it is doing. It may die at any line: what it holds comes back by its
// leases, and an outcome is stored once, the caller who gets there first.
package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/engine/answer"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Answerer runs a model over inputs, as one batch; answers come in the order
// of the inputs.
type Answerer interface {
	Answer(ctx context.Context, model string, in []query.Input) ([]answer.Answered, error)
}

// Fleet is where a worker reports, and learns what may overflow.
type Fleet interface {
	Report(ctx context.Context, r platform.WorkerReport) (platform.Orders, error)
	View(ctx context.Context) (platform.FleetView, error)
}

// Blobs gives the inputs that are too large for a message.
type Blobs interface {
	Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error)
}

// Options are what a worker is made of. All but Arch, Paced and Traces must be set.
type Options struct {
	ID           string
	Pool         string
	InstanceType string // what it is, or stands for when paced
	Runners      int
	Arch         string // of the inference functions; without it no relaxed query is handed over
	// Paced holds each runner to the profile's median service time on the
	// instance type, after really inferring.
	Paced     bool
	Catalogue profile.CatalogueSource
	Answerer  Answerer
	Queues    platform.Queues
	Records   settle.Records
	Fleet     Fleet
	Blobs     Blobs
	Settings  func() settings.Settings // in force now
	PollWait  time.Duration            // how long an idle worker waits for a message at once; SQS allows 20 s
	// Addr is where the worker takes requests, as its balancer reaches it; empty
	// where it takes none.
	Addr string
	// Linger returns when the balancer sends a worker that drains no more requests,
	// which it answers until then, or when ctx ends; nil returns at once.
	Linger func(ctx context.Context)
	// Overflow asks for leave to hand a query over to the functions; nil always
	// has it.
	Overflow func(ctx context.Context, m query.Message) bool
	// Counts is what this process has counted; nil counts nothing.
	Counts *tally.Book
	// Breakers are those of the models on this worker; nil means its own.
	Breakers *breaker.Set
	Traces   *tracing.Tracer // nil traces nothing
	Now      func() time.Time
	Log      *slog.Logger
}

// heldPerRunner bounds the messages in hand, results on their way to the store
// included, whatever the profile says of their service times.
const heldPerRunner = 32

// Worker serves one pool until it is stopped.
type Worker struct {
	Options
	instance profile.Instance
	longest  longest
	settler  *settle.Settler
	leases   leases
	left     left // for other workers

	life      context.Context         // ends when the worker must not write any more
	kill      context.CancelCauseFunc // ends life
	work      sync.WaitGroup          // runs, and what settles them
	inRequest sync.WaitGroup          // queries that are held in their requests

	warm atomic.Pointer[[]string] // models whose functions count as warm, as last read

	mu          sync.Mutex // guards what follows
	queue       *schedule.Queue[*lease]
	rules       rules         // as last read
	serves      bool          // Run has begun
	fenced      bool          // nothing starts any more
	strictEmpty bool          // the strict queue had nothing when last asked
	changed     chan struct{} // closed, and replaced, when something changed
	answered    int64
	directly    int64 // of the queries admitted, those held in their requests
	handedOver  int64
	use         use
	inferences  map[int]inference // in the engine, by the run's ticket
	shadowing   bool              // a version in shadow runs
}

// New makes a worker. It fails for an instance type that the catalogue does
// not know, and without runners.
func New(o Options) (*Worker, error) {
	catalogue := o.Catalogue.Current()
	in, ok := catalogue.Instance(o.InstanceType)
	if !ok {
		return nil, fmt.Errorf("worker %s: catalogue %s has no instance type %q", o.ID, catalogue.Name, o.InstanceType)
	}
	if o.Runners < 1 {
		return nil, fmt.Errorf("worker %s: %d runners, need at least one", o.ID, o.Runners)
	}
	if o.Breakers == nil {
		o.Breakers = &breaker.Set{}
	}
	w := &Worker{Options: o, instance: in, queue: schedule.NewQueue[*lease](o.Runners), changed: make(chan struct{}), inferences: map[int]inference{}}
	w.warm.Store(new([]string))
	w.use, w.rules = newUse(o.Now(), o.Runners), rules{strict: true}
	w.leases.held = map[string]*lease{}
	w.settler = &settle.Settler{Queues: o.Queues, Records: o.Records, Now: o.Now, Log: o.Log, Counts: o.Counts,
		MaxAttempts: func() int { return o.Settings().MaxAttempts }}
	return w, nil
}

// Run serves until ctx ends or the fleet orders a drain; then it finishes what
// runs, gives back what it holds and returns nil. When the fleet has declared
// it dead it stops at once, writing nothing more, and returns
// platform.ErrRevoked. A worker runs once.
func (w *Worker) Run(ctx context.Context) error {
	life, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	w.begin(life, kill)
	open, fence := context.WithCancel(ctx)
	defer fence()
	context.AfterFunc(life, fence)

	reporting, silence := context.WithCancel(life)
	var loops, keepers, reporter sync.WaitGroup
	loops.Go(func() { w.receiveStrict(open) })
	loops.Go(func() { w.receiveRelaxed(open) })
	loops.Go(func() { w.refreshRules(open) })
	keepers.Go(func() { w.renew(life) })
	reporter.Go(func() { w.reportAll(reporting, open, fence) })

	<-open.Done()
	loops.Wait()
	w.linger()
	w.drain()
	silence()
	reporter.Wait()
	err := context.Cause(life)
	if err == nil {
		w.farewell()
	}
	kill(nil)
	keepers.Wait()
	if errors.Is(err, platform.ErrRevoked) {
		return fmt.Errorf("worker %s: %w", w.ID, err)
	}
	return nil
}

// begin opens the worker for queries.
func (w *Worker) begin(life context.Context, kill context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life, w.kill, w.serves = life, kill, true
	w.notifyLocked()
}

// LateWrites returns how many outcomes came after another had been stored.
func (w *Worker) LateWrites() int64 { return w.settler.LateWrites() }

// notify wakes the caller who waits for a change.
func (w *Worker) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notifyLocked()
}

func (w *Worker) notifyLocked() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// changes returns a channel that closes at the next change. Take it before
// reading the state that the change is awaited of.
func (w *Worker) changes() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// pause waits for a change, for d at most, or until ctx ends.
func pause(ctx context.Context, changed <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-t.C:
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
