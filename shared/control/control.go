// Package control keeps a stage in order. Every tick it collects what is known
// of the load and the fleet, lets package decision decide within its bounds,
// writes the decision down and acts on it. It also stores the end of
// queries whose messages became dead letters without one, and publishes the
// view of the fleet that intake places by.
//
// Nothing is kept in the process that a tick needs: memory, records and the
// lease are in the decision log, so that a controller may die at any line and any
// number of them may run.
package control

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/cache"
	"github.com/paragon-serving/paragon/shared/canary"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/limits"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/overflow"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/telemetry"
	"github.com/paragon-serving/paragon/shared/telemetry/tracing"
)

// Records is what control needs of the records.
type Records interface {
	PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error)
	EndStates(ctx context.Context, ids ...string) (map[string]query.State, error)
}

// Fleet is what control needs of the fleet.
type Fleet interface {
	SetDesired(ctx context.Context, pool string, workers int) error
	Drain(ctx context.Context, pool string, ids ...string) error
	Replace(ctx context.Context, pool string, workers int, ids ...string) error
	Workers(ctx context.Context, pool string) ([]platform.WorkerReport, error)
	PublishView(ctx context.Context, v platform.FleetView) error
	Tallies(ctx context.Context, pool string) (map[string]tally.Snapshot, error)
}

// Queues is what control needs of the queues: what waits, the dead letters, and
// the messages that no worker will read.
type Queues interface {
	Depth(ctx context.Context, q platform.QueueName) (platform.Depth, error)
	Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error)
	Extend(ctx context.Context, d platform.Delivery, lease time.Duration) error
	Delete(ctx context.Context, ds ...platform.Delivery) error
	Release(ctx context.Context, ds ...platform.Delivery) error
	Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error
}

// DecisionLog is what control needs of the decision log.
type DecisionLog interface {
	AcquireLease(ctx context.Context, holder string, length time.Duration) (platform.Lease, error)
	ReleaseLease(ctx context.Context, l platform.Lease) error
	Memory(ctx context.Context, pool string) ([]byte, error)
	Commit(ctx context.Context, l platform.Lease, memory []byte, e platform.Entry) error
}

// Pool is a pool that is kept in view.
type Pool struct {
	Name         string
	InstanceType string
}

// Options are what a controller is made of. All must be set, but Arch, Traffic,
// Shared, Timeline, Totals, MetricsEvery, Versions, Votes and Answers.
type Options struct {
	Holder      string // names this controller in the lease: no two have the same
	Pools       []Pool
	Catalogue   profile.CatalogueSource
	Arch        string // of the inference functions; empty means that there are none
	Records     Records
	Fleet       Fleet
	Queues      Queues
	Metrics     platform.Metrics
	Groups      platform.Groups
	DecisionLog DecisionLog
	Traffic     platform.Traffic // nil where no load balancer stands before the workers
	// Shared keeps what the workers have counted for the next controller, and the
	// stage's limits on overflow; nil keeps the first in this one alone, and hands
	// nothing over to functions.
	Shared platform.Shared
	// Timeline keeps what became of queries over days; it needs Shared. nil where
	// another process writes it.
	Timeline platform.Timeline
	// Totals is given, once a minute, all that was counted of queries; it needs Shared,
	// and must not wait for anything. nil where nobody wants them.
	Totals func(telemetry.Totals)
	// MetricsEvery is how often the metrics are read of a stage at rest, where each read
	// is paid for: the next thing to happen is a launch. A busy stage's arrivals are read at
	// each tick, and so often what they ask for and what functions cost. 0 reads all of them
	// at each tick.
	MetricsEvery time.Duration
	// Rests has Run end once the stage is at rest and its metrics have been read: who runs
	// the controller starts it again within fleet.RestSeconds.
	Rests bool
	// Versions are where versions on trial are rolled back; nil where another process
	// judges them. Votes are callers' opinions, by which it does too.
	Versions canary.Models
	Votes    platform.Votes
	// Answers reports whether some worker of a pool answers requests; nil goes by the
	// workers' reports alone.
	Answers func(pool string) bool
	Tuned   func() tuning.State // the settings in force now, and what is wrong with them
	Traces  *tracing.Tracer     // nil traces nothing
	Now     func() time.Time
	Log     *slog.Logger
}

// Controller keeps a stage in order.
type Controller struct {
	Options
	traffic   traffic
	trials    trials // under the lease
	withheld  *cache.Cache[map[string]string]
	limits    *limits.Taker               // of the stage's limits on overflow
	waits     atomic.Bool                 // another controller had the lease at the last tick
	summaries *cache.Cache[tally.Summary] // of the traffic

	mu          sync.Mutex                  // guards what follows
	last        map[string]lastTick         // by pool
	token       int64                       // of the lease, when the last tick began
	lettersAt   time.Time                   // when dead letters were last ended
	looked      looked                      // at the fleet and its queues
	viewed      chan struct{}               // holds one where looked is new
	counted     map[string]workload.Waiting // on each pool's queues, by its last tick
	activeAt    time.Time                   // when the stage was last not idle
	metricsAt   map[string]time.Time        // when the metrics were last read, by pool
	sumsAt      map[string]time.Time        // when what arrivals asked for and functions cost was last read, by pool
	metricsMore map[string]bool             // the next tick reads them again, at rest too
	pulsedAt    map[string]time.Time        // when a tick last put a pulse for a later one's reading
	quiet       map[string]bool             // the last tick, and one of fleet.RestSeconds later, want no worker
	ranFrom     time.Time                   // the start of this run
	spent       map[string]functionsSpent   // by pool
	// tallies are what each pool's processes had counted when that was last read.
	tallies map[string]map[string]tally.Snapshot
	// answered is when functions last answered a query of a process, by process and model.
	answered map[string]map[string]time.Time
	// stalls are what the views have shown of each pool's strict work.
	stalls map[string]*fleet.Stall
	// draining are the ids of each pool's workers that drain, as last read.
	draining map[string][]string
}

// New makes a controller.
func New(o Options) *Controller {
	c := &Controller{Options: o, last: map[string]lastTick{}, metricsAt: map[string]time.Time{}, sumsAt: map[string]time.Time{}, metricsMore: map[string]bool{}, pulsedAt: map[string]time.Time{}, quiet: map[string]bool{}, spent: map[string]functionsSpent{}, tallies: map[string]map[string]tally.Snapshot{}, answered: map[string]map[string]time.Time{}, stalls: map[string]*fleet.Stall{}, draining: map[string][]string{}, counted: map[string]workload.Waiting{}, viewed: make(chan struct{}, 1), limits: overflow.NewStageTaker(o.Shared, o.Now)}
	c.summaries, c.withheld = c.newSummaries(), c.newWithheld()
	c.trials.Watcher = c.newTrials()
	return c
}

// Run ticks every tick_seconds, publishes the view every view_seconds (a stage at rest:
// at each tick) and hands over by each view what waits for nobody, until ctx ends. Errors
// are logged; the next turn tries again. A turn that takes longer than its interval delays the next one.
func (c *Controller) Run(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	c.mu.Lock()
	c.ranFrom = c.Now()
	c.mu.Unlock()
	var all sync.WaitGroup
	all.Go(func() {
		c.every(ctx, "publish the view", nil, func(s settings.Settings) float64 { return s.ViewSeconds }, c.publishOften)
	})
	all.Go(func() {
		// The interval matters while no view can be made: time alone makes relaxed queries due.
		c.every(ctx, "hand over queries that no worker will run", c.viewed, func(s settings.Settings) float64 { return 2 * s.ViewSeconds }, c.HandOver)
		c.closeLimits(ctx)
	})
	all.Go(func() {
		c.every(ctx, "tick", nil, c.untilTick, func(ctx context.Context) error {
			rests, err := c.tickAndPublish(ctx)
			if rests {
				end()
			}
			return err
		})
		c.releaseLease(ctx)
	})
	all.Wait()
	c.summaries.Settle()
	c.withheld.Settle()
}

// leaseRetrySeconds is how often a controller asks for a lease that another has:
// that one may be about to end.
const leaseRetrySeconds = 1

// untilTick is how long after a tick the next one comes, in seconds.
func (c *Controller) untilTick(s settings.Settings) float64 {
	if c.waits.Load() {
		return min(leaseRetrySeconds, s.TickSeconds)
	}
	return s.TickSeconds
}

// every does something at once and then at an interval that may change
// meanwhile, counted from start to start, or sooner when it is woken.
func (c *Controller) every(ctx context.Context, what string, wake <-chan struct{}, interval func(settings.Settings) float64, do func(context.Context) error) {
	for ctx.Err() == nil {
		began := c.Now()
		if err := do(ctx); err != nil && ctx.Err() == nil {
			c.Log.Warn("could not "+what, "error", err)
		}
		t := time.NewTimer(time.Duration(interval(c.settings())*float64(time.Second)) - c.Now().Sub(began))
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-wake:
		}
		t.Stop()
	}
}

func (c *Controller) settings() settings.Settings { return c.Tuned().Settings }
