package pricing

import (
	"cmp"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Fleet is the machines of one pool, on average over the month.
type Fleet struct {
	Instance profile.Instance
	Count    float64
}

// Stage is a deployment and what comes to it.
type Stage struct {
	Rest   Rest
	Fleets []Fleet
	// Warm are the instances of all pools that are prepared and stopped.
	Warm    float64
	Traffic Traffic // without queries where PerSecond is 0
	// TrialHours are those of the month in which a version of a model is on trial.
	TrialHours float64
	// Boots is how often in the month workers boot while no worker is ready, and
	// BootSeconds how long that takes.
	Boots, BootSeconds float64
	// FunctionUSD is what an inference function takes for a query.
	FunctionUSD float64
}

// Bill is what a stage costs, in three parts.
type Bill struct {
	Compute []Line // of a month: workers and inference functions
	Fixed   []Line // of a month: the machinery that does not grow with the queries
	Million []Line // the machinery of a million queries, on top
}

// Bill previews the bill of a month, without what AWS gives free of charge,
// without transfer of answers to the internet, and with every worker at its price on demand.
func (s Stage) Bill(p profile.Prices) Bill {
	up := s.Traffic.Workers > 0 || slices.ContainsFunc(s.Fleets, func(f Fleet) bool { return f.Count > 0 })
	b := Bill{Fixed: slices.Concat(s.Rest.Lines(p), s.workerLines(p), s.Rest.Trial(p, s.TrialHours, up), s.bootLines(p))}
	for _, f := range s.Fleets {
		b.Compute = append(b.Compute, newLine("workers, "+f.Instance.Type, f.Count*hoursPerMonth, "hours", f.Instance.USDPerHour))
	}
	switch {
	case s.Traffic.PerSecond > 0:
		month := s.Traffic.PerSecond * SecondsPerMonth
		b.Compute = append(b.Compute, newLine("inference functions", month*s.Traffic.overflow(), "runs", s.FunctionUSD))
		b.Fixed = append(b.Fixed, s.Rest.Busy(p, s.Traffic.Workers > 0)...)
		b.Million = Count(p, s.Traffic)
	case up: // idle ones
		b.Fixed = append(b.Fixed, s.Rest.IdleWorkers(p)...)
	}
	b.Compute = nonZero(b.Compute)
	return b
}

// MonthUSD is all of a bill at a rate of queries a second.
func (b Bill) MonthUSD(perSecond float64) float64 {
	return Sum(b.Compute) + Sum(b.Fixed) + Sum(b.Million)*perSecond*SecondsPerMonth/million
}

// WarmUSDPerHour is what a warm instance takes while it is stopped: its disk alone, as
// its address is returned.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html
func WarmUSDPerHour(p profile.Prices) float64 { return DiskGB * p.DiskPerGBMonth / hoursPerMonth }

const (
	reportSeconds   = 10    // between an idle worker's reports
	pollsOfWorker   = 2 * 3 // of a minute: two long polls of 20 s
	restUnits       = 1     // of an idle worker's report
	secondsOfMinute = 60    // to count reports by
)

// workerLines are what workers cost in addition to their hours, although no query comes.
func (s Stage) workerLines(p profile.Prices) []Line {
	n := 0.0
	for _, f := range s.Fleets {
		n += f.Count
	}
	addresses := n * hoursPerMonth
	if s.Rest.Private {
		addresses = 0
	}
	seconds := n * minutesOfMonth * secondsOfMinute
	reports := seconds / reportSeconds
	reads := seconds/(settings.WorkerViews*cmp.Or(s.Rest.ViewSeconds, viewSeconds)) + seconds/settings.RefreshEvery(settings.WorkerReader).Seconds()
	return nonZero([]Line{
		newLine("workers' public IPv4 addresses", addresses, "hours", p.PublicIPv4PerHour),
		newLine("workers' disks", n*DiskGB, "GB", p.DiskPerGBMonth),
		newLine("warm instances' disks", s.Warm*DiskGB, "GB", p.DiskPerGBMonth),
		newLine("idle workers' reports, writes", reports*restUnits, "write units", p.DynamoDBPerWrite),
		newLine("idle workers' reads of fleet view and settings", reads, "read units", p.DynamoDBPerRead),
		newLine("workers' reads of the model catalogue", n*minutesOfMonth*secondsOfMinute/CatalogueSeconds, "S3 gets", p.S3PerGet),
		newLine("workers' polls of empty queues", n*pollsOfWorker*minutesOfMonth, "SQS calls", p.SQSPerRequest),
	})
}

// bootLines are the controller's calls while workers boot and none is ready. With an
// answer by 202, all queries that arrive during the boot are taken to wait for a worker.
func (s Stage) bootLines(p profile.Prices) []Line {
	calls := 0.0
	if every := s.Rest.ViewSeconds; s.Traffic.Path == Async && every > 0 {
		for at := every; at <= s.BootSeconds; at += every {
			calls += PutBackCalls(int(s.Traffic.PerSecond*at), s.Traffic.messageKB(), p.SQSStepKB)
		}
	}
	return nonZero([]Line{newLine("controller's receives and returns of messages while workers boot", s.Boots*calls, "SQS calls", p.SQSPerRequest)})
}

// PutBackCalls are the SQS calls by which the controller receives the given number of waiting
// messages and puts them back: a receive, a send and a delete for each batch, and a
// receive that finds no more if there are fewer than it takes at once.
func PutBackCalls(waiting int, messageKB, stepKB float64) float64 {
	if waiting <= 0 {
		return 0
	}
	taken := min(waiting, KeptBatches*KeptBatch)
	calls := 0.0
	for left := taken; left > 0; left -= KeptBatch {
		calls += 2*steps(float64(min(left, KeptBatch))*messageKB, stepKB) + 1
	}
	if taken <= (KeptBatches-1)*KeptBatch {
		calls++
	}
	return calls
}

// PerQuery is what a query's machinery costs by the way it was answered, in US
// dollars. GatewayUSD, what the gateway and its log take of a query that is
// answered in its request, is in all of them.
type PerQuery struct {
	DirectUSD   float64 // in its request, by a worker
	OverflowUSD float64 // in its request, by an inference function
	InvokedUSD  float64 // in its request, by one that the intake invokes while workers are up
	UnaidedUSD  float64 // in its request, by an inference function while no worker is up
	AsyncUSD    float64 // after a 202, by a worker
	HandoverUSD float64 // more, where a function answers what had a 202
	GatewayUSD  float64
}

// ByAnswer prices each way that a query of some traffic may be answered.
func ByAnswer(p profile.Prices, t Traffic) PerQuery {
	usd := func(path Path, overflow, workers float64) float64 {
		way := t
		way.Path, way.OverflowShare, way.Workers = path, overflow, workers
		return Sum(Count(p, way)) / million
	}
	q := PerQuery{
		DirectUSD: usd(Direct, 0, t.Workers), OverflowUSD: usd(Direct, 1, t.Workers), UnaidedUSD: usd(Direct, 1, 0),
		AsyncUSD: usd(Async, 0, t.Workers), GatewayUSD: atGateway(p, t).usd(),
	}
	q.HandoverUSD = usd(Async, 1, t.Workers) - q.AsyncUSD
	t.OverflowPath = OverflowDirect
	q.InvokedUSD = usd(Direct, 1, t.Workers)
	return q
}

// OverflowMoreUSD is what the way to a function costs more than that of a direct answer,
// while workers are up and while none is.
func (q PerQuery) OverflowMoreUSD() (aided, unaided float64) {
	return max(0, q.OverflowUSD-q.DirectUSD), max(0, q.UnaidedUSD-q.DirectUSD)
}

// atGateway counts what the gateway and its log take of requests that are answered at
// once.
func atGateway(p profile.Prices, t Traffic) *counter {
	c := &counter{Traffic: t, p: p}
	c.Path = onlyRequests(t.Path)
	c.gateway()
	return c
}

// usd is what a query costs of all that was counted.
func (c *counter) usd() float64 { return Sum(c.lines) / million }

// ByFunctions prices queries that go from the gateway straight to a function,
// whose fee for a request is feeUSD where it is not counted with its time.
func ByFunctions(p profile.Prices, t Traffic, feeUSD float64) PerQuery {
	gateway := atGateway(p, t).usd()
	return always(gateway+feeUSD*t.requests(), gateway)
}

// BehindBalancer prices queries that a server behind gateway and balancer answers,
// with nothing else.
func BehindBalancer(p profile.Prices, t Traffic) PerQuery {
	c := atGateway(p, t)
	gateway := c.usd()
	c.Front, c.OverflowShare = WorkersFront, 0
	c.balancer()
	return always(c.usd(), gateway)
}

// always is the same price whatever way a query is answered.
func always(usd, gatewayUSD float64) PerQuery {
	return PerQuery{DirectUSD: usd, OverflowUSD: usd, InvokedUSD: usd, UnaidedUSD: usd, AsyncUSD: usd, GatewayUSD: gatewayUSD}
}
