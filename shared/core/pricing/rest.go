package pricing

import (
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Deployment is what decides the rest of a stage.
type Deployment struct {
	Front       Front
	Private     bool // the network
	Keys        bool // callers are known by keys, which a function of its own compares
	Sessions    bool // people may open a session on a worker
	Collector   bool // OpenTelemetry metrics go to one
	Tasks       int
	Models      int // that answer queries; fewer than three count as three
	Pools       int
	TickSeconds float64
	ViewSeconds float64 // between two writes of the view of the fleet
}

// Rest is what a stage has and does while no query comes and no worker is up:
// the stack's parts, and the controller's and the pollers' calls. The tests of
// stack and controller can be held against it.
type Rest struct {
	Deployment

	Alarms              int
	Metrics             int // custom ones, each with its dimensions
	Dashboards          int
	Secrets             int
	SecretReadsPerMonth float64
	Balancers           int
	EndpointZones       int // interface endpoints times the zones they are in

	ControllerMB               int
	ControllerSecondsPerMinute float64 // a run ends once the stage is at rest
	TicksPerMinute             float64
	MetricsAskedPerMinute      float64 // by GetMetricData, which is called once a minute
	MetricPutsPerMinute        float64 // the controller's pulse
	QueueDepthsPerTick         float64 // GetQueueAttributes
	StoreWritesPerTick         float64 // units
	StoreReadsPerTick          float64 // units
	CatalogueReadsPerMinute    float64 // of the models of one's own
	LogKBPerTick               float64
	QueuePollsPerMinute        float64 // Lambda's, of the queues that functions consume
	SchedulesPerMonth          float64
	CollectorKBPerMinute       float64 // of metrics that leave the account
	CollectorUnitsPerMinute    float64 // written of what they are made from

	// What it does while queries come and workers are up. The writes and reads of the store
	// are in addition to those of ticks, for the view of the fleet and the settings.
	BusySecondsPerMinute      float64 // of the controller
	BusyTicksPerMinute        float64
	BusyMetrics               int // custom ones of how queries end
	BusyMetricsAskedPerMinute float64
	BusyMetricPutsPerMinute   float64
	BusyQueueDepthsPerMinute  float64
	BusyStoreWritesPerMinute  float64 // units
	BusyStoreReadsPerMinute   float64 // units
	BusyCountUnitsPerMinute   float64 // units that the controller writes of what queries came to; none at rest
	BusyPastRowsPerMinute     float64 // and rows of the past, a unit each

	// What it does while a version of a model is on trial, whose counts it keeps.
	TrialReadsPerTick    float64 // of votes
	TrialWritesPerMinute float64 // units
}

// What a stage has and does at rest, in parts.
const (
	alarmsOfStage    = 14 // three of them of functions that are being changed
	alarmsOfPool     = 6  // one of them where there is a budget
	alarmsOfBalancer = 2  // workers that fail the health check, 5xx

	metricsOfStage = 6 // what arrivals take, cost and may wait, what functions cost, pulse, late writes
	metricsOfTask  = 2 // arrivals of a class
	metricsOfPool  = 2 // wanted, spent; two more in hours in which workers are missing
	metricsOfEnds  = 3 // shares of queries that missed their bound, overflowed, expired

	// Metrics that are read: at each tick of a busy pool its pulse and the arrivals of each
	// class of a task, and once a minute what arrivals take, cost and may wait, what functions
	// cost and, while queries wait, the ages of two queues.
	askedOfPool = 1
	askedOfTask = 2
	sumsOfPool  = 4
	agesOfPool  = 2

	queuesOfPool     = 2
	polledByFunction = 2 // overflow and callbacks
	pollersOfQueue   = 5 // that Lambda keeps
	pollsPerMinute   = 3 // of a poller on an empty queue

	// Units that a pool's tick writes: the lease is one; in a transaction, at
	// twice its size, are a record of up to 2 KB, its line, the memory, and the
	// lease once more.
	tickWrites     = 1 + 2*(2+1+1+1)
	settingsWrites = 2 // of settings that are passed on, 1.3 KB; the view of the fleet takes one
	// arrivalWrites are more of a tick's once an hour of arrivals is in the
	// record, 5.4 KB, and in the memory, 4 KB, and in both a day by the minute, 1.4 KB.
	arrivalWrites = 22
	tickReads     = 3 // memory, workers, settings

	// countUnits are those of the last hour's counts, with what each process had counted
	// and the rows of the past that are open: of three models on a worker and on functions
	// (measured; a model takes 3 to 4 KB).
	countUnits = 13
	pastRows   = 1 + 1.0/10 + 1.0/60 // of a minute, of ten and of an hour
	trialUnits = 2                   // of what was counted of versions on trial on a few workers, packed

	// A document of metrics of collectorModels models in two classes takes collectorKB,
	// compressed, with the request around it, and the counts that it is made from
	// collectorUnits. Each model more takes collectorModelKB of either (measured).
	collectorModels  = 3
	collectorKB      = 3
	collectorUnits   = 2
	collectorModelKB = 0.5

	// A run of the controller takes shiftSeconds. At rest it ends with its second tick: the
	// first puts the pulse without which the second would not know how far the metrics go;
	// restStart is what it takes in addition to the time between the two [E].
	shiftSeconds = 59
	restTicks    = 2
	restStart    = 2

	secretReads    = 1000 // of a month, by processes that start
	minutesOfMonth = hoursPerMonth * 60
)

// busySettings is how often settings are passed on in a minute in which queries come.
func busySettings() float64 { return 60 / settings.CacheTime.Seconds() }

// AtRest is a deployment with the parts above.
func AtRest(d Deployment) Rest {
	n, perMinute, views := float64(d.Pools), 60/d.TickSeconds, 60/d.ViewSeconds
	restSeconds := min(shiftSeconds, (restTicks-1)*d.TickSeconds+restStart)
	asked := n * float64(askedOfPool+askedOfTask*d.Tasks)
	sums := n * sumsOfPool
	r := Rest{
		Deployment: d,
		Alarms:     alarmsOfStage + alarmsOfPool*d.Pools, Metrics: metricsOfStage + metricsOfTask*d.Tasks + metricsOfPool*d.Pools,
		Dashboards: 1, Secrets: 1, SecretReadsPerMonth: secretReads,
		ControllerMB: ControllerMB, ControllerSecondsPerMinute: restSeconds, TicksPerMinute: min(perMinute, restTicks),
		MetricsAskedPerMinute: asked + sums, MetricPutsPerMinute: 1, QueueDepthsPerTick: n * queuesOfPool,
		StoreWritesPerTick: n*tickWrites + 1 + settingsWrites, StoreReadsPerTick: n * tickReads, LogKBPerTick: n,
		CatalogueReadsPerMinute: 60.0 / CatalogueSeconds,
		QueuePollsPerMinute:     polledByFunction * pollersOfQueue * pollsPerMinute,
		SchedulesPerMonth:       minutesOfMonth * (1 + n/5),

		BusySecondsPerMinute: shiftSeconds, BusyTicksPerMinute: perMinute,
		BusyMetrics: metricsOfEnds, BusyMetricsAskedPerMinute: asked*max(1, perMinute) + sums + n*agesOfPool, BusyMetricPutsPerMinute: max(1, perMinute),
		BusyQueueDepthsPerMinute: n * queuesOfPool * views, BusyStoreReadsPerMinute: n * views,
		BusyStoreWritesPerMinute: views + busySettings()*settingsWrites, BusyCountUnitsPerMinute: countUnits, BusyPastRowsPerMinute: pastRows,
		TrialReadsPerTick: 1, TrialWritesPerMinute: trialUnits,
	}
	if d.Collector {
		more := collectorModelKB * float64(max(0, d.Models-collectorModels))
		r.CollectorKBPerMinute, r.CollectorUnitsPerMinute = collectorKB+more, math.Ceil(collectorUnits+more)
	}
	endpoints := Endpoints
	if d.Keys {
		r.Alarms++ // of that function while it is being changed
	}
	if d.Sessions {
		endpoints += SessionEndpoints
	}
	if d.Front == WorkersFront {
		r.Balancers, r.Alarms, endpoints = 1, r.Alarms+alarmsOfBalancer, endpoints+FrontEndpoints
	}
	if d.Private {
		r.EndpointZones = endpoints * Zones
	}
	return r
}

// Lines is the bill of a month at rest.
func (r Rest) Lines(p profile.Prices) []Line {
	month := func(perMinute float64) float64 { return perMinute * minutesOfMonth }
	lines := append(r.ticking(p, "", r.ControllerSecondsPerMinute*minutesOfMonth, r.TicksPerMinute*minutesOfMonth), []Line{
		newLine("controller's invocations", minutesOfMonth, "Lambda requests", p.LambdaPerRequest),
		newLine("EventBridge schedules", r.SchedulesPerMonth, "schedule calls", p.SchedulePerCall),
		newLine("controller's reads of metrics, each minute", month(r.MetricsAskedPerMinute), "metrics read", p.CloudWatchGetPerMetricRead),
		newLine("controller's pulse metric, each minute", month(r.MetricPutsPerMinute), "metric puts", p.CloudWatchPutPerRequest),
		newLine("controller's reads of the model catalogue", month(r.CatalogueReadsPerMinute), "S3 gets", p.S3PerGet),
		newLine("Lambda's polls of empty queues", month(r.QueuePollsPerMinute), "SQS calls", p.SQSPerRequest),
		newLine("CloudWatch metrics", float64(r.Metrics), "metrics", p.CloudWatchMetricPerMonth),
		newLine("transfer of metrics to an OpenTelemetry collector", month(r.CollectorKBPerMinute)/kbOfGB, "GB", p.TransferPerGB),
		newLine("writes of query counts for an OpenTelemetry collector", month(r.CollectorUnitsPerMinute), "write units", p.DynamoDBPerWrite),
		newLine("CloudWatch alarms", float64(r.Alarms), "alarms", p.AlarmPerMonth),
		newLine("CloudWatch dashboard", float64(r.Dashboards), "dashboards", p.DashboardPerMonth),
		newLine("secret with the signing key", float64(r.Secrets), "secrets", p.SecretPerMonth),
		newLine("reads of the signing key", r.SecretReadsPerMonth, "secret reads", p.SecretPerCall),
		newLine("load balancer's hours", float64(r.Balancers)*hoursPerMonth, "hours", p.BalancerPerHour),
		newLine("interface endpoints", float64(r.EndpointZones)*hoursPerMonth, "hours", p.EndpointPerHour),
	}...)
	return nonZero(lines)
}

// ticking is what the controller takes for the given seconds and ticks.
func (r Rest) ticking(p profile.Prices, when string, seconds, ticks float64) []Line {
	return []Line{
		newLine("controller's run time"+when, float64(r.ControllerMB)/1024*seconds, "GB-seconds", p.LambdaGBSecondARM),
		newLine("controller's reads of queue depths"+when, ticks*r.QueueDepthsPerTick, "SQS calls", p.SQSPerRequest),
		newLine("controller's writes of decisions and state"+when, ticks*r.StoreWritesPerTick, "write units", p.DynamoDBPerWrite),
		newLine("controller's reads of the state table"+when, ticks*r.StoreReadsPerTick, "read units", p.DynamoDBPerRead),
		newLine("controller's log"+when, ticks*r.LogKBPerTick/kbOfGB, "GB", p.LogsPerGB),
	}
}

// awake is what the controller takes in the minutes in which it does not rest, on top of its rest.
func (r Rest) awake(p profile.Prices, when string, minutes float64) []Line {
	return r.ticking(p, when, max(0, r.BusySecondsPerMinute-r.ControllerSecondsPerMinute)*minutes, max(0, r.BusyTicksPerMinute-r.TicksPerMinute)*minutes)
}

// IdleWorkers is what the controller takes a month, on top of its rest, while workers are up
// and no query comes: it does not rest.
func (r Rest) IdleWorkers(p profile.Prices) []Line {
	return nonZero(append(r.watching(p), r.awake(p, whileUp, minutesOfMonth)...))
}

// whileUp is added to the names of lines.
const whileUp = " while workers are up"

// Busy is what the controller takes a month, on top of its rest, while queries
// come: its records hold arrivals, it writes what became of them, and with workers up it
// runs and ticks all the time, asks and puts at each tick and writes the view of the fleet
// each second. Without workers twice a minute is enough: the next thing to happen is a
// launch.
func (r Rest) Busy(p profile.Prices, workersUp bool) []Line {
	ticks := r.TicksPerMinute
	if workersUp {
		ticks = r.BusyTicksPerMinute
	}
	records := newLine("controller's writes of arrivals", ticks*float64(arrivalWrites*r.Pools)*minutesOfMonth, "write units", p.DynamoDBPerWrite)
	counts := newLine("controller's writes of the last hour's query counts", r.BusyCountUnitsPerMinute*minutesOfMonth, "write units", p.DynamoDBPerWrite)
	past := newLine("controller's writes of the history", r.BusyPastRowsPerMinute*minutesOfMonth, "write units", p.DynamoDBPerWrite)
	ends := newLine("metrics of missed, overflowed and expired queries", float64(r.BusyMetrics), "metrics", p.CloudWatchMetricPerMonth)
	if !workersUp {
		return nonZero([]Line{records, counts, past, ends})
	}
	return nonZero(append(append([]Line{records, counts, past, ends}, r.watching(p)...), r.awake(p, whileUp, minutesOfMonth)...))
}

// watching is what the controller takes a month for its reads at each tick and the view of
// the fleet, while workers are up.
func (r Rest) watching(p profile.Prices) []Line {
	more := func(busy, rest float64) float64 { return max(0, busy-rest) * minutesOfMonth }
	return []Line{
		newLine("controller's reads of metrics, each tick", more(r.BusyMetricsAskedPerMinute, r.MetricsAskedPerMinute), "metrics read", p.CloudWatchGetPerMetricRead),
		newLine("controller's pulse metric, each tick", more(r.BusyMetricPutsPerMinute, r.MetricPutsPerMinute), "metric puts", p.CloudWatchPutPerRequest),
		newLine("controller's reads of queue depths for the fleet view", more(r.BusyQueueDepthsPerMinute, 0), "SQS calls", p.SQSPerRequest),
		newLine("controller's writes of the fleet view and settings", more(r.BusyStoreWritesPerMinute, 0), "write units", p.DynamoDBPerWrite),
		newLine("controller's reads of workers for the fleet view", more(r.BusyStoreReadsPerMinute, 0), "read units", p.DynamoDBPerRead),
	}
}

// Trial is what the controller takes on top for the hours of a month in which a version
// of a model is on trial; nothing without one. It judges at each tick, and does not rest
// without workers either.
func (r Rest) Trial(p profile.Prices, hours float64, workersUp bool) []Line {
	minutes := 60 * hours
	lines := []Line{
		newLine("trials of model versions: reads of votes", r.TrialReadsPerTick*r.BusyTicksPerMinute*minutes, "read units", p.DynamoDBPerRead),
		newLine("trials of model versions: writes of query counts", r.TrialWritesPerMinute*minutes, "write units", p.DynamoDBPerWrite),
	}
	if !workersUp {
		lines = append(lines, r.awake(p, " during trials of model versions", minutes)...)
	}
	return nonZero(lines)
}

// nonZero are those of lines that count something; nil where none does. It writes over lines.
func nonZero(lines []Line) []Line {
	if lines = slices.DeleteFunc(lines, func(l Line) bool { return !(l.Count > 0) }); len(lines) == 0 {
		return nil
	}
	return lines
}
