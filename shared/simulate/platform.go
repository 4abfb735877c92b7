package simulate

import "github.com/paragon-serving/paragon/shared/core/procurement"

// Rival is a scheme that does not run on Paragon: it brings the platform that its
// workers or functions are served on. Its own controller decides, without the guard.
// Its workers share one queue, as if their balancer always chose the worker that is
// free first, which is in its favor.
type Rival interface {
	procurement.Scheme
	Platform() Platform
}

// Serving is what answers a query behind the gateway.
type Serving int

// What serves: Paragon, plain servers behind a load balancer, a function for each
// query, or functions on instances that Lambda manages.
const (
	Paragon Serving = iota
	BehindBalancer
	ByFunctions
	Managed
)

// Platform is what a rival runs on. Its zero value is Paragon.
type Platform struct {
	Serving      Serving
	TickSeconds  float64 // how often its controller decides; 0 means tick_seconds
	LeastWorkers int
	PriceFactor  float64 // of a worker's price; 0 means 1
	// PlacesOfRunner is how many queries a worker takes for each of its runners, those
	// that run among them; what finds no place is rejected. 0 means that all wait.
	PlacesOfRunner int
}

// PlatformOf is what a scheme runs on.
func PlatformOf(s procurement.Scheme) Platform {
	if r, ok := s.(Rival); ok {
		return r.Platform()
	}
	return Platform{}
}

// price is the factor of a worker's price.
func (p Platform) price() float64 {
	if p.PriceFactor == 0 {
		return 1
	}
	return p.PriceFactor
}

// onPlatform is the configuration of a run on a platform: of one that is not
// Paragon's, what is the scheme's own stands in for what a stage would do.
func (c Config) onPlatform(p Platform) Config {
	if p.Serving == Paragon {
		return c
	}
	least, most := p.LeastWorkers, manyWorkers
	if d := c.AsDeployed; d != nil {
		if d.BootSeconds > 0 {
			c.Settings.VMBootSeconds = d.BootSeconds
		}
		if d.GroupMax > 0 {
			most = d.GroupMax
		}
	}
	if c.Limits != nil {
		least, most = max(least, c.Limits.MinWorkers), min(most, c.Limits.MaxWorkers)
	}
	c.Limits = &Limits{MinWorkers: least, MaxWorkers: max(least, most)}
	c.AsDeployed, c.MetricDelay, c.NoDefer = nil, 0, false
	if p.TickSeconds > 0 {
		c.Settings.TickSeconds = p.TickSeconds
	}
	if p.Serving == ByFunctions {
		c.NoDefer, c.Limits, c.Workers = true, &Limits{}, 0
	}
	return c
}

// What Lambda lets an account start: lambdaStarts environments of one function within
// lambdaStartIn.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html#scaling-rate
const (
	lambdaStarts  = 1000
	lambdaStartIn = 10 * second
	// lambdaConcurrency is how many calls run at once in an account by default.
	lambdaConcurrency = 1000
)

// refused is whether a rival's platform has no place for a query now.
func (e *engine) refused(p *pool, j *job) bool {
	switch {
	case e.platform.Serving == ByFunctions:
		return e.onFunctions >= lambdaConcurrency || e.calls.throttled(e.function(p, j), e.now)
	case e.platform.PlacesOfRunner > 0:
		return p.running+p.strict.n+p.relaxed.n >= p.capacity*e.platform.PlacesOfRunner
	}
	return false
}

// reject ends a query by a 429.
func (e *engine) reject(j *job) {
	if !j.counted {
		return
	}
	c := e.class(j)
	c.Rejected++
	c.Missed++
	e.inSystem--
	m := e.cfg.Machinery
	e.spend(Bill{Machinery: m.DirectUSD, Paths: Paths{Direct: m.DirectUSD}, Gateway: m.GatewayUSD})
}
