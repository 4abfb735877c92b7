package simulate

// Class counts the queries of one SLO class.
type Class struct {
	Arrived   int64
	Succeeded int64
	Expired   int64
	Missed    int64 // succeeded late, expired, or rejected
	Rejected  int64 // by a rival's platform: 429
	Overflow  int64 // answered by functions
	// Inaccurate is how many of the arrived went to a model that is less
	// accurate than they asked for.
	Inaccurate int64
	// Downgraded is how many a cheaper model answered, as no worker had a slot in time
	// for theirs. AccuracyPoints is the sum, over the arrived, of the accuracy of the
	// models that they were given to, in percent.
	Downgraded     int64
	AccuracyPoints float64
}

// Ratio is the share that missed its bound.
func (c Class) Ratio() float64 {
	if c.Arrived == 0 {
		return 0
	}
	return float64(c.Missed) / float64(c.Arrived)
}

// Bill is money spent, in US dollars.
type Bill struct {
	Workers   float64
	Functions float64
	Machinery float64 // what is paid besides computing: the sum of Paths
	Paths     Paths
	Gateway   float64 // of the machinery: requests in which queries are answered, and their log
}

// Paths is the machinery by how queries were answered, in US dollars.
type Paths struct {
	Direct       float64 `json:"direct_usd"`       // in their requests, by workers
	Overflow     float64 `json:"overflow_usd"`     // in their requests, by inference functions
	Asynchronous float64 `json:"asynchronous_usd"` // after a 202
}

// Total is all of it.
func (b Bill) Total() float64 { return b.Workers + b.Functions + b.Machinery }

func (b *Bill) add(o Bill) {
	b.Workers += o.Workers
	b.Functions += o.Functions
	b.Machinery += o.Machinery
	b.Paths.Direct += o.Paths.Direct
	b.Paths.Overflow += o.Paths.Overflow
	b.Paths.Asynchronous += o.Paths.Asynchronous
	b.Gateway += o.Gateway
}

// Hour is one hour of a run.
type Hour struct {
	Strict, Relaxed Class
	Bill            Bill
}

// Result is what a run came to.
type Result struct {
	Strict, Relaxed Class
	Bill            Bill
	Seconds         float64 // counted
	VMSeconds       float64 // billed
	Bounced         int64   // handed over after they had waited
	Cold            int64   // invocations that were
	Launched        int64   // workers
	Interrupted     int64   // spot workers taken back
	StartWorkers    int     // when counting started
	LeastUSD        float64 // what workers and functions take at least for the queries that arrived
	InSystem        int64   // neither answered nor expired at the end
	Hours           []Hour
	PriceRatio      float64 // of a function's query to a busy worker's
}

// Arrived is all counted queries.
func (r Result) Arrived() int64 { return r.Strict.Arrived + r.Relaxed.Arrived }

// MissedRatio is the share of all queries that missed their bound.
func (r Result) MissedRatio() float64 {
	all := Class{Arrived: r.Arrived(), Missed: r.Strict.Missed + r.Relaxed.Missed}
	return all.Ratio()
}

// MeanAccuracy is the mean accuracy of the models that the queries were given to, in
// percent.
func (r Result) MeanAccuracy() float64 {
	if r.Arrived() == 0 {
		return 0
	}
	return (r.Strict.AccuracyPoints + r.Relaxed.AccuracyPoints) / float64(r.Arrived())
}

// OverflowRatio is the share of all queries that functions answered.
func (r Result) OverflowRatio() float64 {
	if r.Arrived() == 0 {
		return 0
	}
	return float64(r.Strict.Overflow+r.Relaxed.Overflow) / float64(r.Arrived())
}
