package pricing

import (
	"math"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// counter counts what one query takes and keeps it as lines of a million.
type counter struct {
	Traffic
	p     profile.Prices
	lines []Line
}

func (c *counter) add(name string, perQuery float64, unit string, unitUSD float64) {
	if perQuery > 0 {
		c.lines = append(c.lines, newLine(name, perQuery*million, unit, unitUSD))
	}
}

// Count is the one count of calls and writes by path: what a million queries
// cost in addition to the computing on workers and inference functions, and to
// what a stage pays at rest. PerSecond is above 0. Lines of zero are left out.
func Count(p profile.Prices, t Traffic) []Line {
	c := &counter{Traffic: t, p: p}
	c.gateway()
	c.balancer()
	c.apiFunction()
	c.workQueue()
	c.overflowQueue()
	c.bucket()
	c.store()
	c.callbacks()
	c.leases()
	c.reports()
	c.network()
	return c.lines
}

func (c *counter) gateway() {
	bringing := c.requests() * steps(max(c.InputKB, c.ResultKB)*c.items(), c.p.HTTPAPIStepKB)
	asking := c.gets() * steps(c.ResultKB, c.p.HTTPAPIStepKB)
	n := bringing + asking
	c.add("API Gateway requests", n, "requests", gatewayUSD(c.p, n*c.PerSecond*SecondsPerMonth))
	c.add("API Gateway access log", (c.requests()+c.gets())*accessLogKB/kbOfGB, "GB", c.p.LogsPerGB)
}

// gatewayUSD is the mean price of a request at the given requests a month.
func gatewayUSD(p profile.Prices, perMonth float64) float64 {
	tier := p.HTTPAPITierRequests
	if tier <= 0 || perMonth <= tier {
		return p.HTTPAPIPerRequest
	}
	return (tier*p.HTTPAPIPerRequest + (perMonth-tier)*p.HTTPAPIOverTier) / perMonth
}

func (c *counter) gets() float64 {
	if c.Path == Async {
		return c.Reads
	}
	return 0
}

// balancer counts capacity units, of which an hour takes the largest of its
// four measures. The balancer's own hours are paid at rest too.
func (c *counter) balancer() {
	if c.Front != WorkersFront {
		return
	}
	perSecond, gb, heldMS := c.PerSecond*c.requests(), float64(lcuGB), c.ServiceMS
	if c.byFunction() {
		gb, heldMS = lcuGBFunction, c.holdMS()
	}
	bytes := perSecond * (headersKB + (c.InputKB+c.ResultKB)*c.items()) * 3600 / kbOfGB / gb
	rules := perSecond * max(0, listenerRules-freeRules) / lcuRules
	units := max(perSecond/requestsOfOne/lcuConnections, perSecond*heldMS/1000/lcuActive, bytes, rules)
	c.add("load balancer's capacity units", units/3600/c.PerSecond, "LCU-hours", c.p.BalancerPerLCUHour)
}

// apiFunction counts the requests that it answers: those that bring queries
// where it stands in front, and all that read a result later.
func (c *counter) apiFunction() {
	runs, ms := c.gets(), c.gets()*apiMS
	if c.byFunction() {
		runs += c.requests()
		ms += c.requests() * c.holdMS()
	}
	c.add("api function's invocations", runs, "Lambda requests", c.p.LambdaPerRequest)
	c.add("api function's run time", gbSeconds(APIMB, ms), "GB-seconds", c.p.LambdaGBSecondARM)
}

func gbSeconds(memoryMB, ms float64) float64 { return memoryMB / 1024 * ms / 1000 }

// workQueue counts the calls of a query that waits there for a worker. A
// receive that finds nothing is one call whatever the size.
func (c *counter) workQueue() {
	share := c.queued()
	size := steps(c.messageKB(), c.p.SQSStepKB)
	c.add("work queue, sends", share*c.sends(share), "SQS calls", c.p.SQSPerRequest)
	c.add("work queue, receives", share*(size+max(0, c.Receives-1)), "SQS calls", c.p.SQSPerRequest)
	c.add("work queue, deletes", share/c.acknowledged(), "SQS calls", c.p.SQSPerRequest)
}

// sends are the calls for a message: of a list, those that go together share them.
func (c *counter) sends(share float64) float64 {
	k := c.together(share)
	return min(steps(c.messageKB(), c.p.SQSStepKB), steps(k*c.messageKB(), c.p.SQSStepKB)/k)
}

// acknowledged are the messages that a worker deletes by one call.
func (c *counter) acknowledged() float64 {
	if c.Workers <= 0 {
		return 1
	}
	return min(ackMost, max(1, c.PerSecond*c.queued()/c.Workers*ackSeconds))
}

// overflowQueue counts what goes to an inference function by queue and dispatcher.
func (c *counter) overflowQueue() {
	share := c.dispatched()
	c.add("overflow queue, sends", share*c.sends(share), "SQS calls", c.p.SQSPerRequest)
	c.add("overflow queue, receives", share*steps(c.messageKB(), c.p.SQSStepKB), "SQS calls", c.p.SQSPerRequest)
	c.add("overflow queue, deletes", share, "SQS calls", c.p.SQSPerRequest)
	c.add("dispatcher's invocations", share, "Lambda requests", c.p.LambdaPerRequest)
	ms := dispatchMS + c.FunctionMS
	if c.byBucket() {
		ms += getMS
	}
	c.add("dispatcher's run time", share*gbSeconds(DispatcherMB, ms), "GB-seconds", c.p.LambdaGBSecondARM)
}

// bucket counts inputs that are handed over apart from a message: put once, and
// fetched by each who takes the message.
func (c *counter) bucket() {
	if !c.byBucket() {
		return
	}
	c.add("inputs too large for a message, puts", c.stored(), "S3 puts", c.p.S3PerPut)
	c.add("inputs too large for a message, gets", c.queued()+c.dispatched(), "S3 gets", c.p.S3PerGet)
}

// store counts the terminal record and its readers, the keys and the sample.
func (c *counter) store() {
	write := func(name string, units float64) { c.add(name, units, "write units", c.p.DynamoDBPerWrite) }
	read := func(name string, units float64) { c.add(name, units, "read units", c.p.DynamoDBPerRead) }
	units, once := math.Ceil(c.recordKB()), math.Ceil(c.recordKB()/4)
	direct := 1 - c.stored()
	write("records of ended queries, writes", units*(c.stored()+c.recordedDirect()*direct))
	write("idempotency keys, writes", keyUnits*c.KeyedShare)
	write("records of sampled direct answers, writes", math.Ceil(c.recordKB()+explainKB)*c.KeepShare*direct)
	read("records of ended queries, reads by callers", once*c.gets())
	if c.Path != Async {
		read("records of ended queries, reads by waiting requests", once*(c.queued()*awaitReads(c.viaQueueMS()+c.ServiceMS)+c.dispatched()*awaitReads(c.overflowWaitMS())))
	}
	read("records of ended queries, reads before a query with a key runs", once*c.KeyedShare*(c.queued()+c.dispatched()))
}

// callbacks counts the two messages of a query with a callback, a batch each: one that is
// sent before the query is accepted, and finds that the call is made, and one that is
// sent with the record, and makes it.
func (c *counter) callbacks() {
	share, units := c.CallbackShare, math.Ceil(c.recordKB())
	c.add("callbacks, sends of messages", callbackMessages*share, "SQS calls", c.p.SQSPerRequest)
	c.add("callbacks, receives and deletes of messages", 2*callbackMessages*share, "SQS calls", c.p.SQSPerRequest)
	c.add("callbacks function's invocations", callbackMessages*share, "Lambda requests", c.p.LambdaPerRequest)
	c.add("callbacks function's run time", share*gbSeconds(CallbacksMB, callbackMS+(callbackMessages-1)*apiMS), "GB-seconds", c.p.LambdaGBSecondARM)
	c.add("callbacks, claims and results on the records, writes", (callbackMessages+1)*units*share, "write units", c.p.DynamoDBPerWrite)
	c.add("callbacks function's reads of settings", callbackMessages*share, "read units", c.p.DynamoDBPerRead)
	c.add("callbacks, transfer", share*(c.ResultKB+callbackKB)/kbOfGB, "GB", c.p.TransferPerGB)
}

// leases counts calls to what is one for all processes. Of the counter of the
// global limits each takes a block now and then where much is free; where little
// is, it takes what a query needs and gives it back. And a process that is no
// worker reserves a slot for each strict query that it sends to a worker: all are
// taken for strict here. What overflows while no caller waits joins the line of the
// overflow queue.
func (c *counter) leases() {
	writes, reads := c.overflow(), c.overflow()
	if every := c.leaseSeconds(); every > 0 {
		writes = min(writes, c.Intakes()/every/c.PerSecond)
		reads = writes
	} else {
		writes, reads = writes*tightWrites, reads*tightReads
	}
	c.add("leases of the overflow limit, writes", writes, "write units", c.p.DynamoDBPerWrite)
	c.add("leases of the overflow limit, reads", reads, "read units", c.p.DynamoDBPerRead)
	if c.Path == Async {
		c.add("reserved places in the overflow queue, writes", c.overflow(), "write units", c.p.DynamoDBPerWrite)
	}
	if c.byFunction() {
		c.add("reserved worker slots, writes", c.queued(), "write units", c.p.DynamoDBPerWrite)
	}
}

// leaseSeconds is how long a process goes on with what it took from the limits, by
// how many places all together take and keep; 0 where so little is free that each
// gives back what it does not use.
func (c *counter) leaseSeconds() float64 {
	if c.MaxOverflow <= 0 {
		return longLeaseSeconds
	}
	running := c.PerSecond * c.overflow() * c.overflowWaitMS() / 1000
	taken := func(every float64) float64 { return running + min(c.Intakes(), c.PerSecond*c.overflow()*every) }
	switch {
	case taken(longLeaseSeconds) <= c.MaxOverflow/roomyShare:
		return longLeaseSeconds
	case taken(leaseSeconds) <= c.MaxOverflow/2:
		return leaseSeconds
	}
	return 0
}

// reports counts what processes put and write of their own accord while queries
// come: arrivals, what became of queries, a worker's reports, and the
// view of fleet and settings that it reads.
func (c *counter) reports() {
	atMost := func(perSecond float64) float64 { return min(1, perSecond/c.PerSecond) }
	reads, processes, dispatchers := atMost(c.Workers/c.ViewSeconds), c.Workers, 0.0
	if c.byFunction() {
		every := c.ViewSeconds
		if c.Workers <= 0 {
			every = idleViewSeconds
		}
		reads += viewUnits * min(c.requests(), c.Intakes()/every/c.PerSecond)
		c.add("arrival metrics in the api function's log", c.arrivalKB()/kbOfGB, "GB", c.p.LogsPerGB)
		processes += c.Intakes()
		c.add("api function's counts of ended queries, writes", atMost(c.Intakes()/c.functionTallySeconds()), "write units", c.p.DynamoDBPerWrite)
	} else {
		c.add("arrival metrics in the workers' log", c.workerArrivalKB()/kbOfGB, "GB", c.p.LogsPerGB)
	}
	if share := c.dispatched(); share > 0 {
		dispatchers = max(1, c.PerSecond*share*(dispatchMS+c.FunctionMS)/1000)
		processes += dispatchers
		c.add("dispatchers' counts of ended queries, writes", min(share, atMost(dispatchers/tallySeconds)), "write units", c.p.DynamoDBPerWrite)
	}
	c.add("workers' reports, writes", atMost(c.Workers/c.ReportSeconds)+tallyUnits/tallySeconds*atMost(c.Workers), "write units", c.p.DynamoDBPerWrite)
	c.add("usage by owner, writes", atMost(processes/ownersSeconds), "write units", c.p.DynamoDBPerWrite)
	c.add("dispatchers' reads of the model catalogue", min(c.dispatched(), atMost(dispatchers/CatalogueSeconds)), "S3 gets", c.p.S3PerGet)
	c.add("workers' and api function's reads of fleet view and settings", reads, "read units", c.p.DynamoDBPerRead)
}

// arrivalKB is what an api environment logs of a query's arrival: a line a request,
// which those of one second share that are few among the last, and once a minute
// what arrivals ask for.
func (c *counter) arrivalKB() float64 {
	lines := min(c.requests(), c.Intakes()/c.PerSecond)
	return arrivalLineKB*lines + asksLineKB*min(lines, c.Intakes()/asksSeconds/c.PerSecond)
}

// workerArrivalKB is what a worker logs of a query's arrival: a line a second for each
// class, and what arrivals ask for once each time that it writes them.
func (c *counter) workerArrivalKB() float64 {
	seconds := min(c.requests(), c.Workers/c.PerSecond)
	return arrivalLineKB*min(c.requests(), arrivalClasses*seconds) + asksLineKB*min(seconds, c.Workers/c.ArrivalSeconds/c.PerSecond)
}

// functionTallySeconds is how long an api environment keeps what it has counted.
func (c *counter) functionTallySeconds() float64 {
	return max(tallySeconds, min(tallyQueries*c.Intakes()/c.PerSecond, tallyMostSeconds))
}

// network counts what workers send to and get from queues, by endpoints.
func (c *counter) network() {
	if !c.Private {
		return
	}
	messages := c.queued() // received
	if !c.byFunction() {
		messages += c.queued() + c.dispatched() // sent
	} else if c.Path == Async {
		messages += c.dispatched()
	}
	c.add("messages through VPC endpoints", messages*c.messageKB()/kbOfGB, "GB", c.p.EndpointPerGB)
}
