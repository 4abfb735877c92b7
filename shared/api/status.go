package api

import (
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/feedback"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/staleness"
	"github.com/paragon-serving/paragon/shared/core/tally"
)

// Status is the stage at one moment, for people and their scripts. It holds
// nothing of any one caller.
type Status struct {
	At      time.Time                   `json:"at"`
	Pools   []PoolStatus                `json:"pools"`
	Queues  map[string]QueueStatus      `json:"queues"`
	Classes map[query.Class]ClassStatus `json:"classes"`
	// ObjectivePercent is the share of queries that are to be answered within their
	// bounds, of which burn rates are.
	ObjectivePercent float64 `json:"objective_percent"`
	// Tasks are the classes by task, of those that had queries in the last hour.
	Tasks    []TaskStatus   `json:"tasks,omitempty"`
	Overflow OverflowStatus `json:"overflow"`
	// CountedSince is when counting began: of what was before nothing is known.
	// Absent before any worker has said what it counted.
	CountedSince time.Time `json:"counted_since,omitzero"`
	// Drifted are the models that callers say are less, or more, accurate than
	// their profiles do.
	Drifted []feedback.Drifted `json:"drifted,omitempty"`
	// Profiles are those that are too old, or that live answers contradict.
	Profiles []staleness.Warning `json:"profile_warnings,omitempty"`
	// Broken are the models whose runs fail somewhere, so that their queries go elsewhere.
	Broken []BrokenModel `json:"broken,omitempty"`
	// Withheld are the models that are not offered, because they could not be run.
	Withheld []WithheldModel `json:"withheld,omitempty"`
	// Shadows are what versions in shadow did in the last hour.
	Shadows []tally.Shadow `json:"shadows,omitempty"`
	// Scheme and Fleet are the settings of these names: which scheme decides, and
	// whether the number of workers follows it.
	Scheme string `json:"scheme,omitempty"`
	Fleet  string `json:"fleet,omitempty"`
	// OperatorToken is true if settings, faults and dead letters need an operator's token
	// that the request for this status did not present.
	OperatorToken bool `json:"operator_token,omitempty"`
	BackendStatus
}

// BackendStatus is what only the backend's composition knows.
type BackendStatus struct {
	Desired map[string]int `json:"desired,omitempty"` // workers asked for, by pool
	// CostUSD is what workers and functions have cost since CostSince, as priced by the profiles.
	CostUSD   float64   `json:"cost_usd"`
	CostSince time.Time `json:"cost_since,omitzero"`
	Savings   *Savings  `json:"savings,omitempty"`
	// StoreFault says why the store cannot be written, so that no query is taken in.
	StoreFault      string   `json:"store_fault,omitempty"`
	SettingsVersion int64    `json:"settings_version"`
	SettingsFaults  []string `json:"settings_faults,omitempty"`
	// Rollouts are the versions of the models that have several.
	Rollouts []profile.Rollout `json:"rollouts,omitempty"`
	// WorkersEnded are the worker processes that ended unexpectedly of late; absent
	// without one, and on backends that do not know.
	WorkersEnded *WorkersEnded     `json:"workers_ended,omitempty"`
	Paced        bool              `json:"paced"` // runners are paced by their profiles' service times
	Versions     map[string]string `json:"versions,omitempty"`
}

// WorkersEnded are worker processes that ended although nothing asked them to.
type WorkersEnded struct {
	Count   int       `json:"count"` // in the last Minutes
	Minutes float64   `json:"minutes"`
	At      time.Time `json:"at"` // of the newest, as are the following
	Worker  string    `json:"worker"`
	Why     string    `json:"why"` // how the process ended, and the line of its output that says why
}

// Savings compares the cost so far with what other schemes would have cost on the
// same arrivals by the simulator, when its figures may be quoted; else why not.
type Savings struct {
	calibration.Verdict
	// CostUSD is what the stage cost from From to To, the time that was simulated.
	CostUSD float64      `json:"cost_usd,omitempty"`
	From    time.Time    `json:"from,omitzero"`
	To      time.Time    `json:"to,omitzero"`
	Others  []SchemeCost `json:"others,omitempty"` // cheapest first
	// FixedUSD is what the machinery of a stage in an account takes in that time at the
	// least, even without queries. It is in none of the costs above.
	FixedUSD float64 `json:"fixed_usd,omitempty"`
}

// SchemeCost is what a scheme would have cost: as simulated, and the least and
// the most that it may be by the error of the calibration.
type SchemeCost struct {
	Scheme string `json:"scheme"`
	// Simulated is false for a plain function, whose cost is the sum of its queries' prices.
	Simulated bool    `json:"simulated"`
	CostUSD   float64 `json:"cost_usd"`
	LowUSD    float64 `json:"low_usd"`
	HighUSD   float64 `json:"high_usd"`
	// MissedPercent is the share of queries that would have missed their latency bound;
	// absent of a plain function, which is not simulated.
	MissedPercent *float64 `json:"missed_percent,omitempty"`
	// HoursUSD is the cost of each hour from the beginning of the time that was compared, the
	// last of which may be shorter. It is no part of the API.
	HoursUSD []float64 `json:"-"`
}

// BrokenModel is a model whose runs fail on a worker, or on functions.
type BrokenModel struct {
	breaker.Open
	Kind query.RunnerKind `json:"kind"`
	Name string           `json:"name,omitempty"` // the worker's
}

// WithheldModel is a model that is not offered.
type WithheldModel struct {
	Model string `json:"model"`
	Why   string `json:"why"`
}

// PoolStatus is the workers of one pool.
type PoolStatus struct {
	Name         string   `json:"name"`
	InstanceType string   `json:"instance_type"`
	Tasks        []string `json:"tasks,omitempty"` // absent means every task
	Booting      int      `json:"booting"`
	Ready        int      `json:"ready"`
	Draining     int      `json:"draining"`
	// Stuck counts workers that have stopped reporting or do not answer, or that have not
	// started in time. They count as neither booting nor ready.
	Stuck      int   `json:"stuck,omitempty"`
	Runners    int   `json:"runners"` // of the ready workers
	Busy       int   `json:"busy"`
	Queued     int   `json:"queued"` // queries that the workers hold and do not run yet
	Answered   int64 `json:"answered"`
	Overflowed int64 `json:"overflowed"`
}

// QueueStatus is what a queue holds.
type QueueStatus struct {
	Visible  int     `json:"visible"`
	InFlight int     `json:"in_flight"`
	OldestMS float64 `json:"oldest_ms"` // age of the oldest visible message
}

// ClassStatus is one SLO class, by what the workers have counted.
type ClassStatus struct {
	ArrivalsPerSecond float64 `json:"arrivals_per_second"` // over the last minute
	// LastMinute is the arrivals of each of 60 seconds, oldest first. It leaves
	// out the newest seconds, which are not all written yet.
	LastMinute []float64 `json:"arrivals_last_minute"`
	Recent     int64     `json:"recent"` // queries that ended in the last hour, but for the cancelled and those of bad input
	Met        int64     `json:"met"`    // of them, in their bound
	// Attainment is Met of Recent, in percent; absent while there is none.
	Attainment *float64 `json:"attainment_percent,omitempty"`
	Burn       BurnRate `json:"burn_rate"`
	Traffic
}

// BurnRate is the share of misses divided by the share that the objective allows;
// absent while no query has ended.
type BurnRate struct {
	FiveMinutes *float64 `json:"last_five_minutes,omitempty"`
	Hour        *float64 `json:"last_hour,omitempty"`
}

// BurnRateOf returns the burn rate of some counts; nil while no query has ended.
func BurnRateOf(c tally.Counts) *float64 {
	if rate, known := c.BurnRate(); known {
		return &rate
	}
	return nil
}

// Traffic is what became of queries in the last minute and in the last hour.
type Traffic struct {
	Minute Load `json:"last_minute"`
	Hour   Load `json:"last_hour"`
}

// TaskStatus is the queries of one task and one SLO class.
type TaskStatus struct {
	Task  string      `json:"task"`
	Class query.Class `json:"class"`
	Traffic
}

// Load is what became of the queries of some time.
type Load struct {
	Arrived    int64 `json:"arrived"`  // valid queries, refused ones included
	Refused    int64 `json:"refused"`  // of them, turned away
	Answered   int64 `json:"answered"` // ended with a result
	Failed     int64 `json:"failed"`
	Expired    int64 `json:"expired"`
	Cancelled  int64 `json:"cancelled"`
	BadInput   int64 `json:"bad_input"`   // failed by their callers' fault; not among the failed
	Met        int64 `json:"met"`         // answered within their bound
	Overflowed int64 `json:"overflowed"`  // answered by an inference function
	ColdStarts int64 `json:"cold_starts"` // which had to start
	// Attainment is Met of those answered, failed and expired, in percent; absent
	// while there is none.
	Attainment *float64 `json:"attainment_percent,omitempty"`
	CostUSD    float64  `json:"cost_usd"` // of the answers' time on workers and functions
	// Latency is from acceptance to the answer, and Wait from acceptance to the
	// start of the run, of the answered ones; absent while there are none.
	Latency *tally.Quantiles `json:"latency,omitempty"`
	Wait    *tally.Quantiles `json:"wait,omitempty"`
}

// LoadOf is what was counted, for the API.
func LoadOf(l tally.Load) Load {
	out := Load{
		Arrived: l.Arrived, Refused: l.Refused, Answered: l.Answered, Failed: l.Failed, Expired: l.Expired, Cancelled: l.Cancelled, BadInput: l.BadInput,
		Met: l.Met, Overflowed: l.Overflowed, ColdStarts: l.ColdStarts, CostUSD: l.CostUSD,
	}
	if n := l.Ended(); n > 0 {
		percent := 100 * float64(l.Met) / float64(n)
		out.Attainment = &percent
	}
	if l.Answered > 0 {
		out.Latency, out.Wait = &l.Latency, &l.Wait
	}
	return out
}

// OverflowStatus is the part of inference functions in the last hour's answers.
type OverflowStatus struct {
	Answered    int64   `json:"answered"`     // queries with an answer
	OnFunctions int64   `json:"on_functions"` // of them, by an inference function
	Share       float64 `json:"share"`        // OnFunctions of Answered, 0 to 1
}
