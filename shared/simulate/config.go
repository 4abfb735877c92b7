// Package simulate plays arrivals against the rules that production runs by:
// the procurement schemes, placement and prices of core, over workers that
// boot, queues that wait and functions that start cold. It is a discrete-event
// simulation, a query at a time. The same configuration and seed give the same
// result to the last bit, whatever the machine.
package simulate

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Model is one model as a pool's workers and the functions run it.
type Model struct {
	Name       string
	ServiceMS  float64 // on one runner, p50
	P99MS      float64 // and p99; not above p50 means that every run takes the same
	BatchMax   int     // the most queries that one run answers; 0 or 1 means no batching
	BatchMS    float64 // what each takes in a batch
	MemoryMB   int     // of the function that answers it
	FunctionMS float64 // service time there, warm
	ColdMS     float64 // what a cold start adds
	USD        float64 // of one warm invocation
	ColdUSD    float64 // of one cold invocation
	Accuracy   float64 // percent
}

// Pool is a group of alike workers.
type Pool struct {
	Name         string
	InstanceType string
	Runners      int // of one worker
	USDPerHour   float64
	Models       []Model
	Share        float64 // of the arrivals
}

// Spot is what part of a fleet is bought at a discount and may be taken back.
type Spot struct {
	Share                float64 // of the workers, 0 to 1
	PriceFactor          float64 // of the on-demand price
	InterruptionsPerHour float64 // of one worker; it drains on the notice
	// Availability, when set, is how many spot instances there are, in place of a share
	// of the workers: how many are asked for is the scheme's decision. Counting starts
	// Offset into it; at its end it starts again.
	Availability *Availability `json:"-"`
	Offset       time.Duration `json:",omitzero"`
}

// Limits bound the workers of a pool.
type Limits struct{ MinWorkers, MaxWorkers int }

// clamp is the number of workers within the limits; nil has none.
func (l *Limits) clamp(workers int) int {
	if l == nil {
		return workers
	}
	return min(max(workers, l.MinWorkers), l.MaxWorkers)
}

// Config is one run. Every part of it is printed with the result.
type Config struct {
	Trace    arrivals.Trace // as it is played, scaled already
	From     time.Duration  // where in the trace counting starts
	For      time.Duration  // how long; 0 means to the end
	Warmup   time.Duration  // of the trace before From, played and neither counted nor billed
	Pools    []Pool
	Strict   float64 // share of strict queries
	StrictMS float64 // latency bound
	RelaxMS  float64
	// Asks, when there are any, say instead of the three what queries ask for
	// and which models answer them, each ask as often: workload 2.
	Asks []Ask

	Scheme      procurement.Scheme
	Settings    settings.Settings
	MetricDelay time.Duration // from an arrival to the controller
	Workers     int           // ready at the start in each pool; below 0: as many as the first minute needs

	MinimumSeconds   float64 // billed of a worker
	ColdStarts       bool
	KeepAliveSeconds float64 // of a function's environment
	Machinery        pricing.PerQuery
	NoDefer          bool // what may overflow does when no runner can start it at once
	Spot             Spot
	Seed             uint64
	// Limits, when set, are the least and the most workers of each pool, whatever
	// the scheme wants. A deployed controller goes by its settings.
	Limits *Limits
	// AsDeployed, when set, plays the run as a stage runs it.
	AsDeployed *AsDeployed

	// Watch, when set, is called after every decision.
	Watch func(Moment)
	// Progress, when set, is called about every simulated ten minutes.
	Progress func(at time.Duration)
}

// Moment is one decision as it was made.
type Moment struct {
	At       time.Duration // since the start of the trace
	Pool     int
	Snapshot procurement.Snapshot
	Decision procurement.Decision
	Overflow int64 // queries that went to functions so far
}

// One random stream a concern, so that another scheme meets the same arrivals
// and the same mix.
const (
	arrivalStream = 1 + iota
	mixStream
	serviceStream
	spotStream
)

// The simulation's clock counts microseconds, as whole numbers add up alike
// everywhere.
const second = int64(time.Second / time.Microsecond)

func micros(ms float64) int64 { return int64(ms*1000 + 0.5) }
