// Package telemetry names what Paragon measures, once, and writes it: as
// CloudWatch's embedded metric format in an account and as Prometheus text on
// one machine. the table in docs/observability.md is made from it.
package telemetry

import (
	"slices"

	"github.com/paragon-serving/paragon/shared/platform"
)

// Kind says how values of a metric add up.
type Kind string

// The kinds.
const (
	Counter Kind = "counter" // values of a period add up
	Gauge   Kind = "gauge"   // the last value counts
	// Histogram counts values by buckets: package tally's, two of them a doubling.
	Histogram Kind = "histogram"
)

// Metric is one thing that is measured.
type Metric struct {
	Name       string
	Kind       Kind
	Unit       string
	Dimensions []string // names, of which every combination is a series
	Doc        string
	// Logged metrics go out with a function's log in an account: a function is
	// frozen once it has answered, and its log is the only thing that is written
	// by then without a call. CloudWatch takes them from there within a minute or
	// so; the controller reads the last two again at each tick.
	Logged bool
	// Noted values go out with a function's log in an account, as Logged ones do, and are
	// no metrics of CloudWatch's, which are paid for by the month: the log is searched.
	Noted bool
	// Reported metrics are in the workers' reports, from which the status is made.
	// Nobody puts them: in an account they are no metrics of CloudWatch's.
	Reported bool
	// BySQS metrics are read from the queues whenever /metrics is; in an account
	// SQS publishes its own.
	BySQS bool
}

// inLog returns the metric as one that goes out with a function's log.
func (m Metric) inLog() Metric {
	m.Logged = true
	return m
}

// noted returns the metric as one whose values are in a function's log alone.
func (m Metric) noted() Metric {
	m.Noted = true
	return m
}

// InCloudWatch says whether the metric is one of Paragon's own in CloudWatch.
func (m Metric) InCloudWatch() bool { return !m.Noted && !m.Reported && !m.BySQS }

// inReports returns the metric as one that workers report.
func (m Metric) inReports() Metric {
	m.Reported = true
	return m
}

// bySQS returns the metric as one that SQS publishes in an account.
func (m Metric) bySQS() Metric {
	m.BySQS = true
	return m
}

func metric(name string, k Kind, unit string, dimensions []string, doc string) Metric {
	return Metric{Name: name, Kind: k, Unit: unit, Dimensions: dimensions, Doc: doc}
}

// The metrics that are kept by time, from which the controller decides.
var (
	Arrivals           = metric("arrivals", Counter, "queries", []string{"task", "class"}, "Valid queries in a second, however they end. A repeat under an idempotency key is not counted.").inLog()
	ArrivalWork        = metric("arrival_work_ms", Counter, "ms", nil, "Sum of the median service times of the arrivals' models on one runner of the pool.").inLog()
	ArrivalFunctionUSD = metric("arrival_function_usd", Counter, "USD", nil, "Sum of what the arrivals would cost on inference functions.").inLog()
	ArrivalDefer       = metric("arrival_defer_ms", Counter, "ms", nil, "Sum of the times for which the relaxed arrivals may wait before only a function keeps their bound.").inLog()
	FunctionUSD        = metric("function_usd", Counter, "USD", nil, "Cost of invocations of inference functions.").inLog()
	Pulse              = metric("controller_pulse", Counter, "ticks", nil, "One per tick. Arrivals are known up to the newest pulse: a second before it without a point had no arrivals.")
	ExpiredMessages    = metric("expired_messages", Counter, "messages", nil, "Messages of the overflow queue that were dropped because their query had expired before it could be run.").noted()
	LateWrites         = metric(platform.LateWrites, Counter, "writes", nil, "Terminal writes that came after the first and were dropped.")
)

// The metrics of a tick.
var (
	Ready        = metric("workers_ready", Gauge, "workers", []string{"pool"}, "Workers that serve, as they last reported.").noted()
	Booting      = metric("workers_booting", Gauge, "workers", []string{"pool"}, "Workers that boot, without those above boot_limit_seconds.").noted()
	Wanted       = metric("workers_wanted", Gauge, "workers", []string{"pool"}, "Workers that the scheme wants, before the guard.").inLog()
	Target       = metric("workers_target", Gauge, "workers", []string{"pool"}, "Workers that are asked for, after the guard.").noted()
	Held         = metric("ticks_held", Gauge, "0 or 1", []string{"pool"}, "1 when the tick held, because a signal could not be trusted.").noted()
	Clamped      = metric("ticks_clamped", Gauge, "clamps", []string{"pool"}, "How many bounds changed what the scheme wanted.").noted()
	Spent        = metric("hour_spent_usd", Gauge, "USD", []string{"pool"}, "What this clock hour has cost so far, workers and functions.").inLog()
	TickMS       = metric("tick_ms", Gauge, "ms", []string{"pool"}, "How long the last tick took.").noted()
	Missing      = metric("workers_missing", Gauge, "workers", []string{"pool"}, "Workers that were asked for and do not serve; absent while none is missing.").inLog()
	LaunchFaults = metric("launch_faults", Gauge, "0 or 1", []string{"pool"}, "1 when workers are missing and the newest launch failed, for which the tick's record has the reason; absent otherwise.").inLog()
	Faults       = metric("settings_faults", Gauge, "values", nil, "Settings whose stored value is invalid; the last good one is in force.").noted()
)

// The dimensions of what is counted of queries: refusals have no model yet.
var (
	byTask  = []string{"task", "class"}
	byModel = []string{"task", "model", "class"}
)

// The metrics of how queries end, by what the workers count.
var (
	Refused    = metric("refused", Counter, "queries", byTask, "Valid queries that were refused for lack of capacity or budget.").inReports()
	Answered   = metric("answered", Counter, "queries", byModel, "Queries that ended with a result.").inReports()
	Met        = metric("met", Counter, "queries", byModel, "Queries that were answered within their bound.").inReports()
	Overflowed = metric("overflowed", Counter, "queries", byModel, "Queries that inference functions answered.").inReports()
	ColdStarts = metric("cold_starts", Counter, "queries", byModel, "Queries whose answer had to wait for an inference function to start.").inReports()
	Failed     = metric("failed", Counter, "queries", byModel, "Queries that ended without a result before they expired, but for those of bad input.").inReports()
	Expired    = metric("expired", Counter, "queries", byModel, "Queries that expired.").inReports()
	Cancelled  = metric("cancelled", Counter, "queries", byModel, "Queries that their callers cancelled.").inReports()
	BadInput   = metric("bad_input", Counter, "queries", byModel, "Queries that failed by their callers' fault, which is found when they run: input that the model cannot take, or an upload that is gone.").inReports()
	QueryUSD   = metric("query_usd", Counter, "USD", byModel, "Cost of the answers on workers and functions, without the machinery.").inReports()
	Latency    = metric("latency_ms", Histogram, "ms", byModel, "From acceptance to the answer, of answered queries.").inReports()
	BurnRate   = metric("burn_rate", Gauge, "rate", []string{"class", "window"}, "Burn rate of the objective of a class over 5 minutes (window 5m) and 1 hour (1h); absent while none of its queries has ended in that time.").inReports()
	Wait       = metric("wait_ms", Histogram, "ms", byModel, "From acceptance to the start of the run, of answered queries.").inReports()
)

// The metrics of queues, read when /metrics is: in an account SQS has its own.
var (
	QueueMessages = metric("queue_messages", Gauge, "messages", []string{"queue"}, "Messages that wait in a queue.").bySQS()
	QueueInFlight = metric("queue_in_flight", Gauge, "messages", []string{"queue"}, "Messages that were received and are not ended yet.").bySQS()
	QueueOldest   = metric("queue_oldest_ms", Gauge, "ms", []string{"queue"}, "Age of the oldest message that waits; 0 without one.").bySQS()
)

// The metrics of the last minute's queries, by what the workers count; absent while
// none ends.
var (
	MissedShare   = metric("missed_share", Gauge, "share", nil, "Share of the last minute's queries that were not answered within their bound.").inLog()
	OverflowShare = metric("overflow_share", Gauge, "share", nil, "Share of the last minute's queries that inference functions answered.").inLog()
	ExpiredShare  = metric("expired_share", Gauge, "share", nil, "Share of the last minute's queries that expired.").inLog()
)

// All lists every metric, those of a tick last.
func All() []Metric {
	return slices.Concat(
		[]Metric{Arrivals, ArrivalWork, ArrivalFunctionUSD, ArrivalDefer, FunctionUSD, Pulse, ExpiredMessages, LateWrites},
		[]Metric{Refused, Answered, Met, Overflowed, ColdStarts, Failed, Expired, Cancelled, BadInput, QueryUSD, Latency, Wait, BurnRate},
		[]Metric{QueueMessages, QueueInFlight, QueueOldest},
		[]Metric{Ready, Booting, Wanted, Target, Held, Clamped, Spent, TickMS, Missing, LaunchFaults, Faults},
		[]Metric{MissedShare, OverflowShare, ExpiredShare},
	)
}

// TaskClass are the dimensions of a task's queries of one SLO class.
func TaskClass(task, class string) []string { return []string{"task=" + task, "class=" + class} }

// ModelClass are the dimensions of a model's queries of one SLO class.
func ModelClass(task, model, class string) []string {
	return []string{"task=" + task, "model=" + model, "class=" + class}
}

// ClassWindow are the dimensions of a burn rate.
func ClassWindow(class, window string) []string {
	return []string{"class=" + class, "window=" + window}
}

// QueueOf are the dimensions of a queue.
func QueueOf(queue string) []string { return []string{"queue=" + queue} }

// PoolOf are the dimensions of a pool.
func PoolOf(pool string) []string { return []string{"pool=" + pool} }
