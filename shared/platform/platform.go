// Package platform is what Paragon needs from a cloud, as small interfaces:
// queues, records of queries, workers' reports, a fleet, metrics, settings, an invoker of
// functions and blobs. Package sqlite serves them from one machine and package
// aws from an account; package platformtest holds both to one contract.
package platform

import (
	"context"
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

// The classes of error that callers act on. Backends wrap them, callers use
// errors.Is and never compare texts.
var (
	ErrNotFound = errors.New("not found")
	// ErrLaunchesUnread comes with a group whose limits were read, and whose newest
	// launches or warm instances could not be.
	ErrLaunchesUnread = errors.New("the latest scaling activities or the warm instances could not be read")
	ErrLeaseLost      = errors.New("lease lost")              // another consumer has the message now, or it is gone
	ErrThrottled      = errors.New("throttled")               // a normal answer: fall back or come again
	ErrFault          = errors.New("function fault")          // the function ran and failed, or died
	ErrTooLarge       = errors.New("too large")               // above the stated bound
	ErrUnavailable    = errors.New("temporarily unavailable") // worth another try
	ErrRevoked        = errors.New("revoked")                 // this worker was declared dead: stop
	ErrConflict       = errors.New("changed meanwhile")       // read again, then try again
)

// OwnerHeader says to the process that is behind a balancer who calls. The balancer, or
// the gateway before it, overwrites it in every request.
const OwnerHeader = "X-Paragon-Owner"

// QueueName names a queue.
type QueueName string

// The queues that a stage has besides the work queues of its pools.
const (
	Overflow    QueueName = "overflow"
	DeadLetters QueueName = "dead-letters"
)

// WorkQueue names the work queue of a pool for one SLO class.
func WorkQueue(pool string, class query.Class) QueueName {
	return QueueName("work-" + string(class) + "-" + pool)
}

// Delivery is a message in a consumer's hands, until its lease ends.
type Delivery struct {
	Message  query.Message
	Receipt  string // proves the lease to Extend, Delete, Release and Move
	Receives int    // how often it was handed out; releases do not count
	Queue    QueueName
}

// Depth is what a queue holds.
type Depth struct {
	Visible  int           `json:"visible"`
	InFlight int           `json:"in_flight"`
	Oldest   time.Duration `json:"oldest"` // age of the oldest visible message; 0 when none
}

// Queues are at-least-once queues, with no promise of order: a message may
// come twice, late and out of order.
type Queues interface {
	// Send puts messages on a queue: all, or an error.
	Send(ctx context.Context, q QueueName, msgs ...query.Message) error
	// Receive leases up to limit messages (at most 10) for the lease's time.
	// With none there it waits up to wait for the first, and returns an empty
	// slice if none came.
	Receive(ctx context.Context, q QueueName, limit int, lease, wait time.Duration) ([]Delivery, error)
	// Extend renews the lease, counted from now. ErrLeaseLost when it is not held any more.
	Extend(ctx context.Context, d Delivery, lease time.Duration) error
	// Delete ends messages. One whose lease was lost meanwhile is skipped
	// without an error: the process that holds it now will find the query finished.
	Delete(ctx context.Context, ds ...Delivery) error
	// Release gives messages back at once, uncounted; lost leases are skipped.
	Release(ctx context.Context, ds ...Delivery) error
	// Move puts msg, the delivery's message as it is now, on another queue and
	// ends the delivery. After a crash in between both may exist, never neither.
	// ErrLeaseLost, with nothing sent, when the lease was seen to be lost.
	Move(ctx context.Context, d Delivery, to QueueName, msg query.Message) error
	// Depth reports what the queue holds now.
	Depth(ctx context.Context, q QueueName) (Depth, error)
}

// WorkerState is where a worker stands.
type WorkerState = fleet.State

// The states of a worker.
const (
	Booting  = fleet.Booting
	Ready    = fleet.Ready
	Draining = fleet.Draining
	Gone     = fleet.Gone
)

// WorkerReport is what a worker says of itself.
type WorkerReport = fleet.Report

// Orders is the answer to a worker's report.
type Orders struct {
	Drain bool `json:"drain"`
}

// TalliesKept is how long what a worker has counted outlives its last report of
// it, so that a reader has the time to read what came last.
const TalliesKept = 5 * time.Minute

// FunctionsPool is the pool by which functions that answer queries report what
// they have counted. It has no workers: of a report nothing else is kept.
const FunctionsPool = "functions"

// Fleet keeps the workers of the pools, their reports and the view that
// intake places by.
type Fleet interface {
	// SetDesired sets the desired number of workers. Fewer than there are changes
	// nothing until workers are drained.
	SetDesired(ctx context.Context, pool string, workers int) error
	// Workers returns every worker that is not gone, booting ones included, in
	// order of launch. One that is to leave is listed as draining, and one that has
	// not reported as booting, since it was first seen.
	Workers(ctx context.Context, pool string) ([]WorkerReport, error)
	// Drain has workers leave: each finishes or releases what it holds, and takes
	// its place in the pool with it.
	Drain(ctx context.Context, pool string, ids ...string) error
	// Replace ends workers that are dead. What they hold goes to others, and their
	// reports get ErrRevoked. A worker is launched in the place of each that is
	// needed for that number of workers to be left.
	Replace(ctx context.Context, pool string, workers int, ids ...string) error
	// Report stores a worker's report and returns its orders. ErrRevoked when
	// the worker was declared dead.
	Report(ctx context.Context, r WorkerReport) (Orders, error)
	// Tallies returns what each worker of a pool last said to have counted, by
	// worker. Those of a worker that is gone stay for TalliesKept at least.
	Tallies(ctx context.Context, pool string) (map[string]tally.Snapshot, error)
	// PublishView stores the fleet view, and View returns the last one;
	// ErrNotFound before the first.
	PublishView(ctx context.Context, v FleetView) error
	View(ctx context.Context) (FleetView, error)
}

// Owners reads what became of queries by owner and task.
type Owners interface {
	// Usage sums the clock hours that begin in [from, to), from what processes
	// reported: each at once, then every tally.OwnersEvery and when it ends.
	Usage(ctx context.Context, from, to time.Time) ([]tally.OwnerTally, error)
}

// Timeline keeps rows of the past, for timeline.Kept.
type Timeline interface {
	// PutTimeline stores rows, each in place of the one of its step and start.
	PutTimeline(ctx context.Context, rows ...timeline.Stored) error
	timeline.Reader
}

// FleetView is the fleet as intake sees it.
type FleetView struct {
	Pools []placement.Pool `json:"pools"`
	At    time.Time        `json:"at"`
	// Peers are the ready workers that have free slots, those with the most first,
	// by their last reports: as many as may be of use.
	Peers []Peer `json:"peers,omitempty"`
	// Traffic is what the workers have counted lately; absent before they say so.
	Traffic tally.Summary `json:"traffic,omitzero"`
	// BrokenOnFunctions are the models whose breakers are open on functions, in any process
	// that runs them there.
	BrokenOnFunctions []breaker.Open `json:"broken_on_functions,omitempty"`
	// WarmFunctions are the models of which functions answered queries in the last minute,
	// nearly all without a cold start (sizing.MostlyWarm): a relaxed query of another
	// leaves the workers earlier, by the time of a cold start.
	WarmFunctions []string `json:"warm_functions,omitempty"`
	// Withheld are the models that no platform could run: why, by name.
	Withheld map[string]string `json:"withheld,omitempty"`
	// SettingsVersion is that of the settings that the controller goes by: a process
	// that reads the view need not ask for the settings to find out whether they
	// have changed.
	SettingsVersion int64 `json:"settings_version,omitempty"`
	// CatalogueVersion is that of the catalogue of added models that the controller has
	// read, by which a process finds out in the same way whether it has changed.
	CatalogueVersion string `json:"catalogue_version,omitempty"`
}

// Peer is a worker that may take a query which another has no slot for.
type Peer struct {
	ID   string `json:"id"`
	Pool string `json:"pool"`
	Addr string `json:"addr"`
	Free int    `json:"free"` // runners, less the queries that wait there
}

// Point is one value of a metric. Dimensions are a flat list of name=value.
type Point struct {
	Metric     string    `json:"metric"`
	Dimensions []string  `json:"dimensions,omitempty"`
	At         time.Time `json:"at"`
	Value      float64   `json:"value"`
}

// Sample is what a metric held in one period.
type Sample struct {
	At    time.Time `json:"at"` // start of the period
	Sum   float64   `json:"sum"`
	Count int       `json:"count"`
	Max   float64   `json:"max"`
}

// LateWrites is the metric in which a backend counts the terminal records that came
// after the first of their query and were dropped.
const LateWrites = "late_writes"

// Metrics keeps measured values by time.
type Metrics interface {
	Put(ctx context.Context, points ...Point) error
	// Series returns the periods of [from, to) that hold values, oldest first;
	// a period without a value is absent, never zero.
	Series(ctx context.Context, metric string, dimensions []string, from, to time.Time, period time.Duration) ([]Sample, error)
}

// Settings keeps the raw values of the tunables with their history.
type Settings interface {
	// Raw returns every value set, by name, and the version of the whole.
	Raw(ctx context.Context) (map[string]string, int64, error)
	// Set stores one value as it is given; who validates is the caller.
	Set(ctx context.Context, name, value string) error
}

// Invocation is what came back from a function.
type Invocation struct {
	Payload  []byte
	BilledMS float64
	InitMS   float64 // of a cold start; 0 when it was warm
}

// Invoker runs inference functions, synchronously.
type Invoker interface {
	// Invoke runs a function by name. ErrThrottled when no environment may be
	// had now, ErrFault when it ran and failed.
	Invoke(ctx context.Context, function string, payload []byte) (Invocation, error)
}

// Upload is a place to put a blob.
type Upload struct {
	URI     string            `json:"uri"`
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers,omitempty"`
	Expires time.Time         `json:"expires_at"`
}

// Blobs keeps inputs that are too large for a message.
type Blobs interface {
	// NewUpload makes a place for one blob of an owner, of at most limit bytes.
	NewUpload(ctx context.Context, owner, contentType string, limit int) (Upload, error)
	// Blob returns an owner's blob. ErrNotFound, also for a foreign one; ErrTooLarge.
	Blob(ctx context.Context, owner, uri string, limit int) ([]byte, error)
}

// Backend is one cloud: everything a function, a worker or the command line needs.
type Backend struct {
	Queues   Queues
	Fleet    Fleet
	Metrics  Metrics
	Settings Settings
	// Deployed are the values of settings, by name, that came with the deployment
	// and not from an operator; nil where all have their defaults.
	Deployed    map[string]string
	Invoker     Invoker
	Blobs       Blobs
	DecisionLog DecisionLog
	Groups      Groups
	History     History
	Votes       Votes
	Records     Records
	Attempts    Attempts
	Shared      Shared
	// Callbacks makes callbacks known by messages; nil where the queues and the records
	// do that in their own writes, as on one machine.
	Callbacks Callbacks
	// Owners reads what was counted by owner; nil where the fleet's reports are not
	// where that is kept, as on one machine, whose server keeps it by the hour.
	Owners Owners
	// Timeline keeps what became of queries over days; nil in the children of one
	// machine's server, which keeps it itself.
	Timeline Timeline
	// Inputs keeps the inputs that are too large for a message; nil where a
	// message holds any.
	Inputs Inputs
	// BodyBytes is the most that a request's body may hold on every way to an
	// intake, so that the same request is taken whatever stands in front; 0 means
	// that there is no such bound.
	BodyBytes int
}
