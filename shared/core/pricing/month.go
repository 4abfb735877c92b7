package pricing

import (
	"paragon/shared/core/profile"
)

// hoursPerMonth is a twelfth of a year.
const hoursPerMonth = 730

// What a stage does on its own account, by what its code calls. Each figure is
// of one query, tick or second; docs/costs.md says where it comes from.
const (
	apiMS         = 20 // of the api function, for taking a query in and for reading it, a wait apart
	dispatcherMS  = 15 // of the dispatcher, beside waiting for the inference function
	pollSeconds   = 20 // a poll of an empty queue
	lambdaPollers = 5  // that Lambda keeps on the overflow queue
	reportSeconds = 10 // between an idle worker's reports, and any worker's looks at the settings
	rulesViews    = 5  // views between a worker's looks at the fleet's
	shiftSeconds  = 50 // of every minute the controller runs

	tickQueueCalls = 2 // of a pool
	tickMetricPuts = 1 // of a pool: the pulse
	tickLogKB      = 1 // of a pool: how the tick went, in the function's log
	tickMetrics    = 4 // asked for of a pool, beside two a task: the pulse and three sums
	ageMetrics     = 2 // asked for of a pool each minute: how old its queues' messages are
	// Of a pool. The lease is one; in a transaction, at twice its size, are a
	// record of up to 2 KB, its line, the memory, and the lease once more.
	tickWrites = 1 + 2*(2+1+1+1)
	// More of them, once an hour of arrivals is in the record, 5.4 KB, and in
	// the memory, 4 KB.
	arrivalWrites = 16
	tickReads     = 2 // of a pool: its memory and its workers

	settingsSeconds = 5 // between two readings of the settings, which one process passes on
	settingsWrites  = 2 // of each: 1.3 KB
	viewQueueCalls  = 2 // of a pool, each time that the view is written

	metricsOfStage = 7 // beside two a task and those of a pool
	metricsOfPool  = 8 // that the controller writes of a pool

	secondsOfMonth = hoursPerMonth * 3600
	kbOfGB         = 1 << 20
)

// Standing is a deployment as it stands, before any query.
type Standing struct {
	Workers       []Workers
	EndpointZones int     // interface endpoints times the zones they are in
	PublicIPv4    bool    // every worker has an address
	DiskGB        float64 // of a worker
	Tasks         int
	Alarms        int
	ControllerMB  int
	APIMB         int
	DispatcherMB  int
	TickSeconds   float64
	ViewSeconds   float64
	// ArrivalSeconds is between two writes of arrivals by an environment of the api.
	ArrivalSeconds float64
}

// Workers are the machines of one pool.
type Workers struct {
	Instance profile.Instance
	Count    float64 // on average over the month
}

// Load is what comes, on average over the month.
type Load struct {
	PerSecond     float64
	OverflowShare float64 // of all queries, answered on inference functions
	FunctionUSD   float64 // of one such answer
	FunctionMS    float64 // how long the dispatcher waits for it
}

// Line is one part of a bill.
type Line struct {
	What     string  `json:"what"`
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"`
	USD      float64 `json:"usd"`
	// Machinery is true of what Paragon itself takes, beside the computing that
	// queries pay for on workers and inference functions.
	Machinery bool `json:"machinery"`
	// Standing is true of what is paid although no query comes.
	Standing bool `json:"standing"`
}

// Month previews the bill of a month, without what AWS gives free of charge,
// without transfer to the internet, and with every worker at its price on demand.
func Month(p profile.Prices, s Standing, l Load) []Line {
	lines := append(fleetLines(p, s, l), standingLines(p, s)...)
	lines = append(lines, controlLines(p, s)...)
	return append(lines, queryLines(p, s, l)...)
}

// Sum adds up the lines that pass.
func Sum(lines []Line, pass func(Line) bool) float64 {
	var usd float64
	for _, l := range lines {
		if pass(l) {
			usd += l.USD
		}
	}
	return usd
}

// fleetLines are what answers queries.
func fleetLines(p profile.Prices, s Standing, l Load) (lines []Line) {
	for _, w := range s.Workers {
		hours := w.Count * hoursPerMonth
		lines = append(lines, Line{What: "workers, " + w.Instance.Type, Quantity: hours, Unit: "hours", USD: hours * w.Instance.USDPerHour, Standing: true})
	}
	runs := l.PerSecond * l.OverflowShare * secondsOfMonth
	return append(lines, Line{What: "inference functions", Quantity: runs, Unit: "runs", USD: runs * l.FunctionUSD})
}

func (s Standing) workers() (n float64) {
	for _, w := range s.Workers {
		n += w.Count
	}
	return n
}

// standingLines are what is paid by the hour or month for being there.
func standingLines(p profile.Prices, s Standing) []Line {
	n := s.workers()
	line := func(what string, quantity float64, unit string, usd float64) Line {
		return Line{What: what, Quantity: quantity, Unit: unit, USD: quantity * usd, Machinery: true, Standing: true}
	}
	addresses := 0.0
	if s.PublicIPv4 {
		addresses = n * hoursPerMonth
	}
	polls := (n*2 + lambdaPollers) * secondsOfMonth / pollSeconds
	metrics := float64(metricsOfStage + 2*s.Tasks + metricsOfPool*len(s.Workers))
	return []Line{
		line("interface endpoints", float64(s.EndpointZones)*hoursPerMonth, "hours", p.EndpointPerHour),
		line("public addresses", addresses, "hours", p.PublicIPv4PerHour),
		line("workers' disks", n*s.DiskGB, "GB", p.DiskPerGBMonth),
		line("workers' reports", n*secondsOfMonth/reportSeconds, "writes", p.DynamoDBPerWrite),
		line("workers' looks at fleet and settings", n*secondsOfMonth*(1.0/reportSeconds+1/(rulesViews*s.ViewSeconds)), "reads", p.DynamoDBPerRead),
		line("polls of empty queues", polls, "calls", p.SQSPerRequest),
		line("metrics", metrics, "metrics", p.CloudWatchMetricPerMonth),
		line("alarms", float64(s.Alarms), "alarms", p.AlarmPerMonth),
		line("dashboard", 1, "dashboard", p.DashboardPerMonth),
	}
}

// controlLines are what the controller takes: its own time, and what it looks
// at and writes down.
func controlLines(p profile.Prices, s Standing) []Line {
	running := secondsOfMonth * shiftSeconds / 60.0
	ticks, views, pools := running/s.TickSeconds, running/s.ViewSeconds, float64(len(s.Workers))
	line := func(what string, quantity float64, unit string, usd float64) Line {
		return Line{What: "controller's " + what, Quantity: quantity, Unit: unit, USD: usd, Machinery: true, Standing: true}
	}
	gb := running * float64(s.ControllerMB) / 1024
	calls := pools * (ticks*tickQueueCalls + views*viewQueueCalls)
	writes := pools*ticks*tickWrites + views + running/settingsSeconds*settingsWrites
	reads := pools*(ticks*tickReads+views) + running/settingsSeconds
	logs := pools * ticks * tickLogKB / kbOfGB
	asked, puts := pools*(ticks*float64(tickMetrics+2*s.Tasks)+running/60*ageMetrics), pools*ticks*tickMetricPuts
	return []Line{
		line("function", gb, "GB-seconds", gb*p.LambdaGBSecondARM),
		line("queue calls", calls, "calls", calls*p.SQSPerRequest),
		line("store", writes+reads, "units", writes*p.DynamoDBPerWrite+reads*p.DynamoDBPerRead),
		line("metrics", asked+puts, "metrics asked and puts", asked*p.CloudWatchGetPerMetricRead+puts*p.CloudWatchPutPerRequest),
		line("log of metrics", logs, "GB", logs*p.LogsPerGB),
	}
}

// queryLines are what every query takes on its way.
func queryLines(p profile.Prices, s Standing, l Load) []Line {
	n := l.PerSecond * secondsOfMonth
	over := n * l.OverflowShare
	line := func(what string, quantity float64, unit string, usd float64) Line {
		return Line{What: what, Quantity: quantity, Unit: unit, USD: usd, Machinery: true}
	}
	trip := WorkerTrip()
	requests, calls, logs := n*trip.HTTPRequests, n*trip.QueueCalls, n*trip.LogKB/kbOfGB
	dispatched := over * computeUSD(p, "arm64", s.DispatcherMB, dispatcherMS+l.FunctionMS)
	looks := l.environments() * secondsOfMonth * (1/s.ViewSeconds + 1.0/settingsSeconds)
	puts := min(l.PerSecond, l.environments()/s.ArrivalSeconds) * secondsOfMonth
	return []Line{
		line("gateway", requests, "requests", requests*p.HTTPAPIPerRequest),
		line("api function", requests, "runs", requests*FunctionQueryUSD(p, "arm64", s.APIMB, apiMS)),
		line("api's looks at the fleet", looks, "reads", looks*p.DynamoDBPerRead),
		line("queries' queue calls", calls, "calls", calls*p.SQSPerRequest),
		line("queries' store", n*(trip.StoreWrites+trip.StoreReads), "units", n*(trip.StoreWrites*p.DynamoDBPerWrite+trip.StoreReads*p.DynamoDBPerRead)),
		line("dispatcher", over, "queries", dispatched+over*p.LambdaPerRequest),
		line("workers' reports of changes", s.changes(l), "writes", s.changes(l)*p.DynamoDBPerWrite),
		line("arrivals in records", recordWrites(s, l), "units", recordWrites(s, l)*p.DynamoDBPerWrite),
		line("arrival metrics", puts, "puts", puts*p.CloudWatchPutPerRequest),
		line("logs", logs, "GB", logs*p.LogsPerGB),
	}
}

// environments are those of the api that work at once. So few requests are in
// flight that their number is the rate times a request's time, and at least
// one. Each writes its arrivals every so often, if it took queries in.
func (l Load) environments() float64 {
	if l.PerSecond <= 0 {
		return 0
	}
	return max(1, l.PerSecond*WorkerTrip().HTTPRequests*apiMS/1000)
}

// changes are the reports by which workers tell what they took and finished:
// two a query, and at most two a view from each.
func (s Standing) changes(l Load) float64 {
	n := s.workers()
	return min(2*l.PerSecond*(1-l.OverflowShare), 2*n/s.ViewSeconds) * secondsOfMonth
}

// recordWrites are what the controller's records take more when there are
// arrivals to remember.
func recordWrites(s Standing, l Load) float64 {
	if l.PerSecond <= 0 {
		return 0
	}
	return float64(len(s.Workers)) * secondsOfMonth * shiftSeconds / 60 / s.TickSeconds * arrivalWrites
}

// MillionUSD is what Paragon's own machinery takes for a million queries at a
// load, beside what stands anyway.
func MillionUSD(lines []Line, l Load) float64 {
	if l.PerSecond <= 0 {
		return 0
	}
	usd := Sum(lines, func(x Line) bool { return x.Machinery && !x.Standing })
	return usd / (l.PerSecond * secondsOfMonth) * 1e6
}
