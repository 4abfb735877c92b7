package pricing

import (
	"math"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Front is what takes queries behind the gateway.
type Front string

// The fronts: a load balancer with workers behind it, or the api function.
const (
	WorkersFront Front = "workers"
	LambdaFront  Front = "lambda"
)

// Path is how a query is answered.
type Path string

// The paths: within its own request, ten of them in one request, or after a 202.
const (
	Direct  Path = "direct"
	Batch10 Path = "batch10"
	Async   Path = "async"
)

// OverflowPath is how a query gets to an inference function.
type OverflowPath string

// The overflow paths: by the queue, dispatcher and store, or invoked by the
// intake that holds the request.
const (
	OverflowQueue  OverflowPath = "queue"
	OverflowDirect OverflowPath = "direct"
)

// With returns how a query that is held in its request gets to a function while
// some worker is ready, or none is. Without one every query is for a function:
// there is no burst for the queue to even out, and its sends, its record and its
// consumer would cost a quiet stage more than the function does. Nor does a query go by
// the queue that is in time only without it (sizing.TooSlowByQueue).
func (p OverflowPath) With(workers, tooSlowByQueue bool) OverflowPath {
	if !workers || tooSlowByQueue {
		return OverflowDirect
	}
	return p
}

// Traffic describes the queries of a stage, on average over the month.
type Traffic struct {
	Front        Front
	Path         Path
	OverflowPath OverflowPath
	Private      bool // the network: workers reach AWS by interface endpoints
	// Items is how many queries a request brings; 0 means what Path says.
	Items float64

	PerSecond     float64 // queries, above 0
	OverflowShare float64 // of all queries, answered by inference functions
	MaxOverflow   float64 // queries that may run on functions at once; 0 means far more than do
	Workers       float64 // that are up; without any, the api function takes the requests

	InputKB    float64 // of a query, as it arrives
	ResultKB   float64 // of a query
	KeyedShare float64 // of queries with an Idempotency-Key
	KeepShare  float64 // of direct answers that are kept as a sample
	// CallbackShare is of queries with a callback, which arrives at the first try.
	CallbackShare float64
	Reads         float64 // GETs of a query's result, if it was answered by a 202
	Receives      float64 // of the work queue a message, those that find nothing included; 1 or more

	ServiceMS  float64 // on a worker
	FunctionMS float64 // billed of the inference function

	Periods
}

// Periods are the least times between what a process that takes requests reads and writes of its
// own accord, in seconds.
type Periods struct {
	ViewSeconds    float64 // between two reads of the fleet view
	ReportSeconds  float64 // between two reports of a worker
	ArrivalSeconds float64 // between two writes of a worker's arrivals
}

// PeriodsOf are those by the settings of a stage.
func PeriodsOf(set settings.Settings) Periods {
	return Periods{ViewSeconds: set.ViewSeconds, ReportSeconds: set.ReportSeconds(), ArrivalSeconds: set.ArrivalSeconds()}
}

// SmallQueries is traffic of small inputs and results, as a picture of 28 x 28
// pixels and five labels, with the defaults of a stage; rate, shares and times
// are for the caller to set.
func SmallQueries(f Front, path Path) Traffic {
	return Traffic{Front: f, Path: path, OverflowPath: OverflowQueue, InputKB: 1, ResultKB: 0.3, KeepShare: 0.01, Reads: 1, Receives: receives, Periods: PeriodsOf(settings.Defaults())}
}

// items are the queries of one request.
func (t Traffic) items() float64 {
	switch {
	case t.Items > 0:
		return max(1, t.Items)
	case t.Path == Batch10:
		return 10
	}
	return 1
}

// requests are those that bring queries, of one query.
func (t Traffic) requests() float64 { return 1 / t.items() }

// byFunction reports whether the api function takes the requests.
func (t Traffic) byFunction() bool { return t.Front == LambdaFront || t.Workers <= 0 }

// overflow is the share that inference functions answer: all, where there is no
// worker.
func (t Traffic) overflow() float64 {
	if t.Workers <= 0 {
		return 1
	}
	return t.OverflowShare
}

// overflowPath is how a query that is held in its request overflows.
func (t Traffic) overflowPath() OverflowPath { return t.OverflowPath.With(t.Workers > 0, false) }

// dispatched is the share that goes through overflow queue and dispatcher. What
// no request waits for always does.
func (t Traffic) dispatched() float64 {
	if t.overflowPath() == OverflowDirect && t.Path != Async {
		return 0
	}
	return t.overflow()
}

// queued is the share that goes through a work queue: all that is answered by
// a 202, and what the api function hands to workers.
func (t Traffic) queued() float64 {
	switch {
	case t.Workers <= 0: // the intake knows it, and sends all to the functions
		return 0
	case t.Path == Async:
		return 1
	case t.byFunction():
		return 1 - t.overflow()
	}
	return 0
}

// stored is the share that gets a terminal record, keyed or not.
func (t Traffic) stored() float64 {
	if t.Path == Async {
		return 1
	}
	return t.queued() + t.dispatched()
}

// recordedDirect is the share of direct answers that get a terminal record all the same: those
// with a key or a callback, which are taken for different ones.
func (t Traffic) recordedDirect() float64 { return min(1, t.KeyedShare+t.CallbackShare) }

// overflowWaitMS is from handing a query over until its answer.
func (t Traffic) overflowWaitMS() float64 {
	if t.overflowPath() == OverflowDirect {
		return invokeMS + t.FunctionMS
	}
	return t.viaQueueMS() + t.FunctionMS
}

// viaQueueMS is from a send until the consumer has query and input.
func (t Traffic) viaQueueMS() float64 {
	if t.byBucket() {
		return queueMS + getMS
	}
	return queueMS
}

// takeMS is the api function's own work on a request, the puts of its items'
// inputs side by side included.
func (t Traffic) takeMS() float64 {
	if t.byBucket() {
		return apiMS + t.stored()*putMS
	}
	return apiMS
}

// holdMS is how long the api function works on a request that brings queries.
// A list is held until the last of it.
func (t Traffic) holdMS() float64 {
	over, work, take := t.overflow(), t.viaQueueMS()+t.ServiceMS, t.takeMS()
	switch {
	case t.Path == Async:
		return take
	case over >= 1:
		return take + t.overflowWaitMS()
	case over <= 0:
		return take + work
	case t.items() > 1:
		return take + max(work, t.overflowWaitMS())
	}
	return take + over*t.overflowWaitMS() + (1-over)*work
}

// Intakes are the processes that take queries in: the workers, or as many
// environments of the api function as requests are held at once.
func (t Traffic) Intakes() float64 {
	if t.byFunction() {
		return max(1, t.PerSecond*t.requests()*t.holdMS()/1000)
	}
	return t.Workers
}

// messageKB is a query on a queue: its envelope, and its input as base64 in
// JSON unless that goes through the bucket.
func (t Traffic) messageKB() float64 {
	if t.byBucket() {
		return envelopeKB
	}
	return envelopeKB + t.InputKB*4/3
}

// byBucket reports whether an input is too large for a message.
func (t Traffic) byBucket() bool { return t.InputKB > HandOverKB }

func (t Traffic) recordKB() float64 { return recordKB + t.ResultKB }

// steps are the begun steps of a size, at least one; without a step there is one.
func steps(size, step float64) float64 {
	if step <= 0 {
		return 1
	}
	return max(1, math.Ceil(size/step))
}

// together are the messages of one list that share a send, when each item is
// sent with the given chance: the mean of those lists that send any.
func (t Traffic) together(share float64) float64 {
	n := t.items()
	if n <= 1 || share <= 0 {
		return 1
	}
	return max(1, n*share/(1-math.Pow(1-share, n)))
}

// awaitReads are the reads of a record by the process that waits for it for waitMS: one at
// once, then after pauses that grow.
func awaitReads(waitMS float64) float64 {
	n, pause := 1.0, awaitFirstMS
	for at := 0.0; at < waitMS; n++ {
		at += pause
		pause = min(pause*1.5, awaitLastMS)
	}
	return n
}
