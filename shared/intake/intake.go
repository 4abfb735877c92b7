// Package intake is the job that takes queries in: it validates them, selects
// the model, and has them answered. In a worker, a query whose caller waits and
// for which a slot is free in time runs there and is answered in its request;
// nothing of it is stored or queued. All others go to a queue, and the caller
// waits for the record that their consumer writes, or comes back for it.
//
// Nothing is stored of a query that is refused, and a refusal says which field
// is wrong and what could be had instead. The HTTP API over it is package
// httpapi.
package intake

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/cache"
	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/overflow"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Records is what intake needs of platform.Records.
type Records interface {
	PutRecord(ctx context.Context, r query.Record) (query.Record, bool, error)
	GetRecord(ctx context.Context, id string) (query.Record, error)
	AwaitRecord(ctx context.Context, id string) (query.Record, error)
	ListRecords(ctx context.Context, owner string, limit int) ([]query.Record, error)
}

// Worker is the run queue of the worker that this process is.
type Worker interface {
	// Answer runs a query if it is predicted to end by the time given, and returns
	// its outcome. *schedule.NoSlot when it would end later, or was evicted for that before
	// it began: nothing runs then. When ctx ends before it began it never runs.
	Answer(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error)
	// Load returns the runners and the work ahead of a strict query that comes
	// now, in milliseconds of one runner.
	Load() (runners int, aheadMS float64)
}

// Functions answers queries on inference functions, without a queue.
type Functions interface {
	// Invoke takes a query to the functions that fit it and returns how it ended,
	// or why it did not.
	Invoke(ctx context.Context, m query.Message) inference.Invoked
}

// Fleet is what intake needs of platform.Fleet: the view that it places by, and
// the workers for the status page.
type Fleet interface {
	View(ctx context.Context) (platform.FleetView, error)
	Workers(ctx context.Context, pool string) ([]platform.WorkerReport, error)
}

// Queues is what intake needs of platform.Queues: to send, and the depths for the
// status page.
type Queues interface {
	Send(ctx context.Context, q platform.QueueName, msgs ...query.Message) error
	Depth(ctx context.Context, q platform.QueueName) (platform.Depth, error)
}

// Chooser selects model and resource for a need out of an offer.
type Chooser interface {
	// Pick returns the winner alone.
	Pick(n query.Need, o selection.Offer) (selection.Candidate, query.Class, error)
	// Choose returns every candidate with why it lost; Pick's is the first.
	Choose(n query.Need, o selection.Offer) (selection.Ranked, error)
}

// rules are package selection as a Chooser.
type rules struct{}

func (rules) Pick(n query.Need, o selection.Offer) (selection.Candidate, query.Class, error) {
	return selection.Pick(n, o)
}

func (rules) Choose(n query.Need, o selection.Offer) (selection.Ranked, error) {
	return selection.Choose(n, o)
}

// Pool is the workers that serve some tasks.
type Pool struct {
	Name         string
	Tasks        []string // empty means every task
	InstanceType string
}

// Serves reports whether the pool answers queries of a task.
func (p Pool) Serves(task string) bool {
	if len(p.Tasks) == 0 {
		return true
	}
	for _, t := range p.Tasks {
		if t == task {
			return true
		}
	}
	return false
}

// Config is what a Service works with. Every part is required unless its
// comment says otherwise.
type Config struct {
	Records   Records
	Attempts  platform.Attempts
	Shared    platform.Shared // keeps the stage's limits on overflow
	Fleet     Fleet
	Queues    Queues
	Metrics   platform.Metrics
	Blobs     platform.Blobs
	Inputs    platform.Inputs // keeps inputs too large for a message; nil where a message holds any
	BodyBytes int             // the most of a request's body that every way here takes; 0 without such a bound
	Catalogue profile.CatalogueSource
	Settings  func() settings.Settings // the settings in force
	Pools     []Pool
	Chooser   Chooser // defaults to package selection
	// Keys sign ids and receipts.
	Keys signed.Keys
	// Worker is the run queue of this process; nil where it is no worker, so that
	// nothing is answered directly but by functions.
	Worker Worker
	// Peers are offered what Worker has no slot for; nil offers to nobody. Addr is
	// the address of this worker among them.
	Peers Peers
	Addr  string
	// Functions answer what overflows under overflow_path=direct; nil sends it
	// through the queue.
	Functions Functions
	// Votes keeps callers' feedback, from which accuracy is learnt. Optional.
	Votes platform.Votes
	// Counts is what this process has counted; nil counts nothing.
	Counts *tally.Book
	// Reports takes Counts, under ID, from a process that is no worker: a worker
	// reports them itself. Optional.
	Reports platform.Reports
	ID      string
	// Viewed is called with each view of the fleet that is read. Optional.
	Viewed func(context.Context, platform.FleetView)
	// Answers says whether some worker of a pool answers now, where this process asks
	// them: a view of the fleet shows it later. nil trusts the view.
	Answers func(pool string) bool
	// Arch is the architecture of the inference functions; empty means that
	// there are none, so that nothing overflows.
	Arch string
	// MostWaiters bounds the requests that wait here for a result, three quarters
	// of them of one caller; beyond it they get a 202. It defaults to 1,000, and
	// below 0 none waits.
	MostWaiters int
	// WriteFault says why the store cannot be written; nil, or nil from it, when it
	// can. Optional.
	WriteFault func() error
	// Status adds what only the backend knows to the status page. Optional.
	Status func(context.Context) api.BackendStatus
	// Callbacks is where the stage may send callbacks; by default nowhere.
	Callbacks callback.Reach
	// CallbackQueue takes the messages by which callbacks are made; nil where the queues
	// and records do that in their own writes.
	CallbackQueue platform.CallbackSender
	Traces        *tracing.Tracer  // nil traces nothing
	Now           func() time.Time // defaults to time.Now
	Random        io.Reader        // defaults to crypto/rand
	Log           *slog.Logger     // defaults to slog.Default
}

// Service is the intake of one backend. Create it with New. It is safe for
// concurrent use.
type Service struct {
	Config
	choices  choices
	fleet    *fleetView
	views    *cache.Cache[platform.FleetView]
	limits   *limits.Taker
	owners   owners
	shares   ownerShares
	waiters  waiters
	offers   offers
	arrivals arrivals
	learnt   platform.VoteBook
	votes    *cache.Cache[map[string]float64] // accuracies as learnt from them
	places   chan struct{}                    // bounds the samples on their way to the store
	// reserveTime bounds the call that reserves a slot in a pool's line.
	reserveTime time.Duration
	// background is what goes on after its request: samples on their way to the store.
	background sync.WaitGroup
}

// New returns a Service. Run must run in another goroutine for arrivals to be counted.
func New(c Config) (*Service, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Chooser == nil {
		c.Chooser = rules{}
	}
	if c.Answers == nil {
		c.Answers = func(string) bool { return true }
	}
	if c.MostWaiters == 0 {
		c.MostWaiters = mostWaiters
	}
	s := &Service{Config: c, fleet: newFleetView(c.Pools, c.Catalogue, c.Answers),
		places: make(chan struct{}, mostKeeping), limits: overflow.NewStageTaker(c.Shared, c.Now), reserveTime: platform.ReserveTime}
	if b, ok := c.Functions.(breakers); ok && c.Counts != nil {
		c.Counts.OnFunctions(b.Broken)
	}
	s.views, s.votes = s.newViews(), s.newVotes()
	s.prepared()
	return s, nil
}

func (c Config) check() error {
	switch {
	case c.Records == nil, c.Attempts == nil, c.Shared == nil, c.Fleet == nil, c.Queues == nil, c.Metrics == nil, c.Blobs == nil:
		return errors.New("intake: a part of the backend is missing")
	case c.Catalogue == nil || c.Settings == nil:
		return errors.New("intake: the catalogue or the settings are missing")
	case len(c.Pools) == 0:
		return errors.New("intake: no pool of workers is configured")
	}
	return nil
}

// poolFor returns the pool that serves a task.
func (s *Service) poolFor(task string) (Pool, bool) {
	for _, p := range s.Pools {
		if p.Serves(task) {
			return p, true
		}
	}
	return Pool{}, false
}
