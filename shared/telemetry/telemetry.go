// Package telemetry names what Paragon measures, once, and writes it: as
// CloudWatch's embedded metric format in an account and as Prometheus text on
// one machine. docs/metrics.md is made from it.
package telemetry

import "slices"

// Kind says how values of a metric add up.
type Kind string

// The kinds.
const (
	Counter Kind = "counter" // values of a period add up
	Gauge   Kind = "gauge"   // the last value counts
)

// Metric is one thing that is measured.
type Metric struct {
	Name       string
	Kind       Kind
	Unit       string
	Dimensions []string // names, of which every combination is a series
	Doc        string
}

// The metrics that are kept by time, from which the controller decides.
var (
	Arrivals = Metric{"arrivals", Counter, "queries", []string{"task", "class"},
		"Queries accepted in a second. A repeat under an idempotency key is no arrival."}
	ArrivalWork = Metric{"arrival_work_ms", Counter, "ms", nil,
		"The median service time of the accepted queries' models on one runner of the pool, added up."}
	ArrivalFunctionUSD = Metric{"arrival_function_usd", Counter, "USD", nil,
		"What the accepted queries would cost on inference functions, added up."}
	ArrivalDefer = Metric{"arrival_defer_ms", Counter, "ms", nil,
		"How long the accepted relaxed queries may wait before only a function keeps their bound, added up."}
	FunctionUSD = Metric{"function_usd", Counter, "USD", nil,
		"What invocations of inference functions have cost."}
	Pulse = Metric{"controller_pulse", Counter, "ticks", nil,
		"One a tick. Arrivals are known as far as the newest pulse has come: a second without a point is then a second without arrivals, and not one without metrics."}
	LateWrites = Metric{"late_writes", Counter, "writes", nil,
		"Terminal writes that came after the first and were dropped."}
)

// The metrics of a tick.
var (
	Ready   = Metric{"workers_ready", Gauge, "workers", []string{"pool"}, "Workers that serve, as they last reported."}
	Booting = Metric{"workers_booting", Gauge, "workers", []string{"pool"}, "Workers on their way, without those that boot for too long."}
	Wanted  = Metric{"workers_wanted", Gauge, "workers", []string{"pool"}, "Workers that the scheme wants, before the guard."}
	Target  = Metric{"workers_target", Gauge, "workers", []string{"pool"}, "Workers that are asked for, after the guard."}
	Held    = Metric{"ticks_held", Gauge, "0 or 1", []string{"pool"}, "1 when the tick held, because a signal could not be trusted."}
	Clamped = Metric{"ticks_clamped", Gauge, "clamps", []string{"pool"}, "How many bounds changed what the scheme wanted."}
	Spent   = Metric{"hour_spent_usd", Gauge, "USD", []string{"pool"}, "What this clock hour has cost so far, workers and functions."}
	TickMS  = Metric{"tick_ms", Gauge, "ms", []string{"pool"}, "How long the last tick took."}
	Faults  = Metric{"settings_faults", Gauge, "values", nil, "Settings whose value is not taken; the last good one is in force."}
)

// All lists every metric, those of a tick last.
func All() []Metric {
	return slices.Concat(
		[]Metric{Arrivals, ArrivalWork, ArrivalFunctionUSD, ArrivalDefer, FunctionUSD, Pulse, LateWrites},
		[]Metric{Ready, Booting, Wanted, Target, Held, Clamped, Spent, TickMS, Faults},
	)
}

// TaskClass are the dimensions of a task's queries of one SLO class, and PoolOf
// those of a pool.
func TaskClass(task, class string) []string { return []string{"task=" + task, "class=" + class} }

// PoolOf are the dimensions of a pool.
func PoolOf(pool string) []string { return []string{"pool=" + pool} }
