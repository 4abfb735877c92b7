// Package procurement holds the schemes that set the number of workers and
// what may overflow, one file a scheme. The controller and the simulator run
// them unchanged. A scheme is a pure function: time, what was seen, the
// settings and its own memory are passed in, and the next memory is returned,
// as what is kept between two ticks lives in a store.
package procurement

import (
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/forecast"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Rules is the version of the schemes' rules and of the words that they put their
// reasons in. A record holds that by which it was decided.
const Rules = 14

// Second is what arrived in one second.
type Second struct {
	Strict  float64 `json:"strict"`
	Relaxed float64 `json:"relaxed"`
}

// All is both classes.
func (s Second) All() float64 { return s.Strict + s.Relaxed }

// Pool is the workers as they are now.
type Pool struct {
	Ready    int `json:"ready"`
	Booting  int `json:"booting"`
	Draining int `json:"draining,omitempty"`
	// SpotReady and SpotBooting are the spot instances among those, SpotLost how many
	// were taken back since the last tick.
	SpotReady   int `json:"spot_ready,omitempty"`
	SpotBooting int `json:"spot_booting,omitempty"`
	SpotLost    int `json:"spot_lost,omitempty"`
	// RunnersEach is how many inferences one worker has in progress at most.
	RunnersEach int `json:"runners_each"`
	// BusyRunners are in use now; Used is the share of runner time that was used
	// since the last tick, of all ready workers and of the least loaded one.
	BusyRunners int     `json:"busy_runners"`
	Used        float64 `json:"used"`
	UsedLeast   float64 `json:"used_least"`
	// QueuedMS is the work that waits, in milliseconds of one runner.
	QueuedMS float64 `json:"queued_ms"`
	// IdleSeconds is for how long each idle worker has been so, longest first.
	IdleSeconds []float64 `json:"idle_seconds,omitempty"`
}

// Snapshot is all that a scheme knows at a tick.
type Snapshot struct {
	// CoveredTo is the end of the last second whose arrivals are known, and
	// Arrivals the seconds up to it, oldest first: at least those that came to
	// be known since the last tick. Seconds that were shown before replace what
	// was shown then, up to RereadSeconds back. A second in which nothing arrived
	// is a zero; seconds that are not known end the list earlier.
	CoveredTo time.Time `json:"covered_to"`
	Arrivals  []Second  `json:"arrivals,omitempty"`
	Pool      Pool      `json:"pool"`
	// ServiceMS is the mean one-thread latency of the queries that come.
	ServiceMS float64 `json:"service_ms"`
	// DeferMS is how long a relaxed query waits for a worker at most, before it is handed
	// over to a function: the mean, by sizing.RelaxedOverflowAt.
	DeferMS float64 `json:"defer_ms"`
	// WorkerUSDPerHour is one worker's price, FunctionUSD the mean price of a
	// query on an inference function.
	WorkerUSDPerHour float64 `json:"worker_usd_per_hour"`
	FunctionUSD      float64 `json:"function_usd"`
	// OverflowUSD is what the way of an overflowed query costs more than that of a
	// direct answer: its queues and requests.
	OverflowUSD float64 `json:"overflow_usd,omitempty"`
	// UnaidedUSD is what that way costs more while no worker is up.
	UnaidedUSD float64 `json:"unaided_usd,omitempty"`
	// FunctionMS is the mean time of a query on an inference function; 0 means that
	// it is as on a worker.
	FunctionMS float64 `json:"function_ms,omitempty"`
	// ColdLate is whether a strict query is late on a function that starts cold.
	ColdLate bool `json:"cold_late,omitempty"`
	// SpotUSDPerHour is a worker's price as a spot instance; 0 means that there are none.
	SpotUSDPerHour float64 `json:"spot_usd_per_hour,omitempty"`
}

// Throughput is how many queries a second one worker answers when it is always
// busy: runners by one-thread latency. 0 when the snapshot cannot say.
func (s Snapshot) Throughput() float64 {
	if s.ServiceMS <= 0 {
		return 0
	}
	return float64(s.Pool.RunnersEach) * 1000 / s.ServiceMS
}

// PriceRatio is what a query costs on a function relative to its share of a worker
// that is always busy. 0 when the snapshot cannot say.
func (s Snapshot) PriceRatio() float64 {
	if s.WorkerUSDPerHour <= 0 {
		return 0
	}
	return s.FunctionUSD * s.Throughput() * 3600 / s.WorkerUSDPerHour
}

// Prices describes what a worker and a query cost. A query that overflows pays for
// its run on the function and, if the backend charges for it, for the path there.
func (s Snapshot) Prices() string {
	text := fmt.Sprintf("a worker costs %s per hour; the run of a query costs %s on a function, %s times as much as on a busy worker",
		pricing.Dollars(s.WorkerUSDPerHour), pricing.Dollars(s.FunctionUSD), ratio(s.PriceRatio()))
	if s.OverflowUSD <= 0 || s.FunctionUSD <= 0 {
		return text
	}
	all := s.FunctionUSD + s.OverflowUSD
	return text + fmt.Sprintf("; with the queues and records on its path to the function, the query costs %s, %s times as much", pricing.Dollars(all), ratio(s.PriceRatio()*all/s.FunctionUSD))
}

// ratio writes how many times as much something is, by a digit after the point only where
// it matters.
func ratio(x float64) string {
	if x < 100 {
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// Overflow says when queries of a class may go to inference functions.
type Overflow string

// The rules of overflow.
const (
	Never   Overflow = "never"
	AtBound Overflow = "at_bound" // when no worker can start it within its own bound
)

// Of says the rule in words, of the queries of a class.
func (o Overflow) Of(class query.Class) string {
	if o == AtBound {
		return fmt.Sprintf("%s queries go to functions when no worker can start them in time", class)
	}
	return fmt.Sprintf("%s queries never go to functions", class)
}

// Candidate is one of the numbers of workers that a scheme compared.
type Candidate struct {
	Workers    int     `json:"workers"`
	USDPerHour float64 `json:"usd_per_hour"` // expected, workers and overflow
	Why        string  `json:"why"`          // why it lost, or won
}

// Decision is what a scheme wants. Bounds on the fleet stand outside of it.
type Decision struct {
	Outcome Outcome `json:"outcome"`
	Workers int     `json:"workers"` // ready and booting together
	// Spot is how many of them are asked for as spot instances, whether or not the
	// cloud has that many.
	Spot       int         `json:"spot,omitempty"`
	Strict     Overflow    `json:"strict_overflow"`
	Relaxed    Overflow    `json:"relaxed_overflow"`
	Reason     string      `json:"reason"`
	Cause      string      `json:"cause,omitempty"` // why it holds; empty when the scheme decided
	Candidates []Candidate `json:"candidates,omitempty"`
	// PeakToMedian, Dynamic and StaticSeconds are paragon's reading of the load;
	// the last is how long it expects the load to stay as it is.
	PeakToMedian  float64 `json:"peak_to_median,omitempty"`
	Dynamic       bool    `json:"dynamic,omitempty"`
	StaticSeconds float64 `json:"static_seconds,omitempty"`
}

// Scheme is a procurement scheme.
type Scheme interface {
	Name() string
	// Overflow returns which queries may leave the workers for functions. Run puts it
	// into each decision.
	Overflow() (strict, relaxed Overflow)
	// Decide returns what the scheme wants and what it must remember. It changes
	// nothing that it is given.
	Decide(now time.Time, s Snapshot, set settings.Settings, before State) (Decision, State)
}

// All returns every scheme, the simplest first.
func All() []Scheme {
	return []Scheme{reactive{}, utilAware{}, exascale{}, mixed{}, mixedPredictive{}, paragon{}, hedged{}}
}

// Names lists the schemes.
func Names() []string {
	var out []string
	for _, s := range All() {
		out = append(out, s.Name())
	}
	return out
}

// Get returns a scheme by name.
func Get(name string) (Scheme, error) {
	all := All()
	i := slices.IndexFunc(all, func(s Scheme) bool { return s.Name() == name })
	if i < 0 {
		return nil, fmt.Errorf("procurement scheme %q is none of %v", name, Names())
	}
	return all[i], nil
}

// Outcome says how a decision came about.
type Outcome string

// The outcomes.
const (
	Decided  Outcome = "decided" // by the scheme
	Held     Outcome = "held"    // a signal cannot be relied upon: the fleet stays as it is
	SafeMode Outcome = "safe"    // so for too long: the last good peak
)

// Run decides by a scheme. When a signal cannot be relied upon, or nothing is known of
// the load, it holds the fleet as it is.
func Run(scheme Scheme, now time.Time, s Snapshot, set settings.Settings, before State) (Decision, State) {
	pool := s.Pool
	s, faults := Check(now, s, before, set)
	if len(faults) > 0 {
		return hold(scheme, pool, before, reasons(faults)), before
	}
	state := before.merge(s)
	if len(state.History) == 0 {
		return hold(scheme, pool, before, "no arrivals are known yet"), before
	}
	d, after := scheme.Decide(now, s, set, state)
	d.Outcome = Decided
	d.Strict, d.Relaxed = scheme.Overflow()
	after.Strict, after.Relaxed = d.Strict, d.Relaxed
	return d, after
}

// hold keeps the fleet as it is.
func hold(scheme Scheme, p Pool, before State, cause string) Decision {
	d := HoldWorkers(scheme, p.Ready+p.Booting, before, cause)
	d.Spot = p.SpotReady + p.SpotBooting
	return d
}

// HoldWorkers keeps the given number of workers, and the rules of overflow as they were. Before the
// first decision they are the scheme's, but strict queries always may overflow: there may
// be no worker. Cause is why.
func HoldWorkers(scheme Scheme, workers int, before State, cause string) Decision {
	d := Decision{Outcome: Held, Workers: workers, Strict: before.Strict, Relaxed: before.Relaxed, Cause: cause, Reason: "no change: " + cause}
	if d.Strict == "" {
		_, d.Relaxed = scheme.Overflow()
		d.Strict = AtBound
	}
	return d
}

// Count writes how many workers there are, as "1 worker" or "2 workers".
func Count(workers int) string {
	if workers == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", workers)
}

// Rate is queries per second in words. A rate that rounds to none reads as less than the
// smallest that is shown: a worker that is kept for few queries is kept for some.
func Rate(perSecond float64) string {
	if perSecond < 0.05 {
		return "less than 0.1 queries/s"
	}
	return fmt.Sprintf("%.1f queries/s", perSecond)
}

// forecastWords say by what a forecast was made, and how good it was so far.
func forecastWords(b forecast.Band) string {
	return fmt.Sprintf("the forecast of %s, %s (mean error so far %.1f)", b.By, Rate(b.Expected), b.MAE)
}
