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
	// Logged metrics go out with the log of a function or worker in an account: a line
	// of it costs a hundredth of a call, and a function is frozen once it has answered,
	// when its log is the only thing that is written without a call. CloudWatch takes
	// them from there within a minute or so; the controller reads the last two again at
	// each tick.
	Logged bool
	// Noted values go out with the log in an account, as Logged ones do, and are
	// no metrics of CloudWatch's, which are paid for by the month: the log is searched.
	Noted bool
	// Reported metrics are in the workers' reports, from which the status is made.
	// Nobody puts them: in an account they are no metrics of CloudWatch's.
	Reported bool
	// BySQS metrics are read from the queues whenever /metrics is; in an account
	// SQS publishes its own.
	BySQS bool
}

// inLog returns the metric as one that goes out with the log.
func (m Metric) inLog() Metric {
	m.Logged = true
	return m
}

// noted returns the metric as one whose values are in the log alone.
func (m Metric) noted() Metric {
	m.Noted = true
	return m
}

// InCloudWatch says whether the metric is one of Paragon's own in CloudWatch.
func (m Metric) InCloudWatch() bool { return !m.Noted && !m.Reported && !m.BySQS }

// Exported says whether the metric goes to a collector of OpenTelemetry metrics, where a
// stage in an account has one: those that its controller counts or is reported, and that are
// none of CloudWatch's.
func (m Metric) Exported() bool { return m.Reported || m.Noted && m.Name != ExpiredMessages.Name }

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
	Arrivals           = metric("arrivals", Counter, "queries", []string{"task", "class"}, "Valid queries that arrived, whether they are answered or not. A repeat with the same idempotency key is not counted.").inLog()
	ArrivalWork        = metric("arrival_work_ms", Counter, "ms", nil, "Sum of the median service times that the arrived queries have on a worker.").inLog()
	ArrivalFunctionUSD = metric("arrival_function_usd", Counter, "USD", nil, "What the arrived queries would cost if inference functions answered all of them.").inLog()
	ArrivalDefer       = metric("arrival_defer_ms", Counter, "ms", nil, "Sum of the times that the arrived relaxed queries may wait for a worker. A query that waits longer is handed over to a function, if the scheme allows it.").inLog()
	FunctionUSD        = metric("function_usd", Counter, "USD", nil, "Cost of invocations of inference functions.").inLog()
	Pulse              = metric("controller_pulse", Counter, "ticks", nil, "Increases by 1 at each tick; in a stage without workers and queries, about once a minute. The metric arrivals is complete up to metric_settle_seconds before the last increase.")
	ExpiredMessages    = metric("expired_messages", Counter, "messages", nil, "Messages on the overflow queue that were dropped because their query had expired.").noted()
	LateWrites         = metric(platform.LateWrites, Counter, "writes", nil, "Results that were dropped because their query had already ended.").inLog()
)

// The metrics of a tick.
var (
	Ready        = metric("workers_ready", Gauge, "workers", []string{"pool"}, "Workers that are ready for queries, according to their latest reports.").noted()
	Booting      = metric("workers_booting", Gauge, "workers", []string{"pool"}, "Workers that boot. A worker that boots for longer than boot_limit_seconds is not counted.").noted()
	Wanted       = metric("workers_wanted", Gauge, "workers", []string{"pool"}, "Number of workers that the scheme wants, before the controller applies its bounds.").inLog()
	Target       = metric("workers_target", Gauge, "workers", []string{"pool"}, "Number of workers that the controller requests after it has applied its bounds.").noted()
	Held         = metric("ticks_held", Gauge, "0 or 1", []string{"pool"}, "1 if the controller did not trust an input, such as the arrivals, at the last tick and therefore kept the number of workers; 0 otherwise.").noted()
	Clamped      = metric("ticks_clamped", Gauge, "clamps", []string{"pool"}, "Number of bounds, such as max_workers, that changed the number of workers at the last tick.").noted()
	Spent        = metric("hour_spent_usd", Gauge, "USD", []string{"pool"}, "Cost of workers and functions in this clock hour so far.").inLog()
	TickMS       = metric("tick_ms", Gauge, "ms", []string{"pool"}, "How long the last tick took.").noted()
	Missing      = metric("workers_missing", Gauge, "workers", []string{"pool"}, "Workers that the controller requested but that are not ready. Absent while no worker is missing.").inLog()
	LaunchFaults = metric("launch_faults", Gauge, "0 or 1", []string{"pool"}, "1 if workers are missing and the newest launch failed; absent otherwise.").inLog()
	Faults       = metric("settings_faults", Gauge, "values", nil, "Settings whose stored value is invalid. The last valid value stays in force.").noted()
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
	Met        = metric("met", Counter, "queries", byModel, "Queries that were answered within their latency bound.").inReports()
	Overflowed = metric("overflowed", Counter, "queries", byModel, "Queries that inference functions answered.").inReports()
	ColdStarts = metric("cold_starts", Counter, "queries", byModel, "Queries whose answer waited for the cold start of an inference function.").inReports()
	Failed     = metric("failed", Counter, "queries", byModel, "Queries that failed before they expired. Queries with bad input are counted in bad_input instead.").inReports()
	Expired    = metric("expired", Counter, "queries", byModel, "Queries that expired: no worker and no function answered them within three times their latency bound, or within a minute if that is longer.").inReports()
	Cancelled  = metric("cancelled", Counter, "queries", byModel, "Queries that their callers cancelled.").inReports()
	BadInput   = metric("bad_input", Counter, "queries", byModel, "Queries that failed at run time because of their input: the model cannot run on the input, or the upload no longer exists.").inReports()
	QueryUSD   = metric("query_usd", Counter, "USD", byModel, "Cost of the answers on workers and functions, without gateway, store, queues and logs.").inReports()
	Latency    = metric("latency_ms", Histogram, "ms", byModel, "Time from the acceptance of a query to its answer. Only answered queries count.").inReports()
	BurnRate   = metric("burn_rate", Gauge, "rate", []string{"class", "window"}, "Burn rate of a class of queries (its share of missed queries divided by 1 %) over 5 minutes (window 5m) and over 1 hour (window 1h). Absent if no query of the class has ended in the window.").inReports()
	Wait       = metric("wait_ms", Histogram, "ms", byModel, "Time from the acceptance of a query to the start of its run. Only answered queries count.").inReports()
)

// The metrics of queues, read when /metrics is: in an account SQS has its own.
var (
	QueueMessages = metric("queue_messages", Gauge, "messages", []string{"queue"}, "Messages that wait in a queue.").bySQS()
	QueueInFlight = metric("queue_in_flight", Gauge, "messages", []string{"queue"}, "Messages that were received and not yet deleted.").bySQS()
	QueueOldest   = metric("queue_oldest_ms", Gauge, "ms", []string{"queue"}, "Age of the oldest waiting message; 0 if none waits.").bySQS()
)

// The metrics of the last minute's queries, by what the workers count; absent while
// none ends.
var (
	MissedShare   = metric("missed_share", Gauge, "share", nil, "Of the queries that ended in the last minute, the share that was not answered within its latency bound.").inLog()
	OverflowShare = metric("overflow_share", Gauge, "share", nil, "Of the queries that ended in the last minute, the share that inference functions answered.").inLog()
	ExpiredShare  = metric("expired_share", Gauge, "share", nil, "Of the queries that ended in the last minute, the share that expired.").inLog()
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
