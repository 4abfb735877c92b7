// Package comparison plays procurement schemes against the same arrivals and says
// what each costs, compared with the references: on what a backend has seen and on the
// traces of the laboratory.
package comparison

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// Case is one load in one market. Its zero values are no defaults: New has them.
type Case struct {
	Name      string         // of the trace, with its scale
	Trace     arrivals.Trace // scaled
	Scaling   string         // how: "multiply 20", "superpose 20"
	From, For time.Duration
	Warmup    time.Duration
	Market    simulate.Market
	Layout    simulate.Layout

	StrictShare       float64
	StrictMS, RelaxMS float64
	// Asks, when there are any, stand in for the three: workload 2.
	Asks             []simulate.Ask
	Workers          int // at the start; below 0 what the first minute needs
	MetricDelay      time.Duration
	ColdStarts       bool
	KeepAliveSeconds float64
	MinimumSeconds   float64
	Spot             simulate.Spot
	Settings         settings.Settings
	Limits           *simulate.Limits // of the workers; nil for none
	Seed             uint64
	// PriceFactor scales what functions cost, to ask what follows from it; 0 means 1.
	PriceFactor float64
	// Eager overflows what no runner is free for, instead of waiting to the bound.
	Eager bool
	// References adds the clairvoyants, which take several runs.
	References bool
	// AsDeployed, when set, plays the schemes as a stage runs them.
	AsDeployed *simulate.AsDeployed
}

// New is a case with the defaults of the evaluation: half of the queries strict
// at 1 s, the others at 10 s, metrics a minute old, cold starts, 600 s of
// keep-alive, twenty minutes of warm-up before a window.
func New(name string, t arrivals.Trace, m simulate.Market) Case {
	return Case{
		Name: name, Trace: t, Market: m, Layout: simulate.Shared, Warmup: 20 * time.Minute,
		StrictShare: 0.5, StrictMS: 1000, RelaxMS: 10000, Workers: -1, MetricDelay: time.Minute, ColdStarts: true,
		KeepAliveSeconds: 600, MinimumSeconds: m.Catalogue.Prices.EC2MinimumSeconds, Settings: settings.Defaults(), Seed: 1, References: true,
	}
}

// Config is the simulation of a scheme in this case.
func (c Case) Config(scheme procurement.Scheme) (simulate.Config, error) {
	pools, err := c.Market.Pools(c.Layout, c.StrictMS-c.Settings.OverflowPathMS)
	if err != nil {
		return simulate.Config{}, err
	}
	if c.PriceFactor > 0 {
		for _, p := range pools {
			for i := range p.Models {
				p.Models[i].USD *= c.PriceFactor
				p.Models[i].ColdUSD *= c.PriceFactor
			}
		}
	}
	return simulate.Config{
		Trace: c.Trace, From: c.From, For: c.For, Warmup: c.Warmup, Pools: pools,
		Strict: c.StrictShare, StrictMS: c.StrictMS, RelaxMS: c.RelaxMS, Asks: c.Asks, Scheme: scheme, Settings: c.Settings,
		MetricDelay: c.MetricDelay, Workers: c.Workers, MinimumSeconds: c.MinimumSeconds, ColdStarts: c.ColdStarts,
		KeepAliveSeconds: c.KeepAliveSeconds, Machinery: c.machinery(pools, scheme), Spot: c.Spot, Seed: c.Seed, NoDefer: c.Eager, AsDeployed: c.AsDeployed, Limits: c.Limits,
	}, nil
}

// workersBusy is the share of the time for which workers are taken to compute
// when their number is only needed to share out what each does now and then.
const workersBusy = 0.7

// machinery is what a query costs in addition to computing, by how it is answered: small
// inputs, workers in front, and as many of them as carry the trace's mean rate. A
// rival's is that of its platform, behind the same gateway.
func (c Case) machinery(pools []simulate.Pool, scheme procurement.Scheme) pricing.PerQuery {
	t := pricing.SmallQueries(pricing.WorkersFront, pricing.Direct)
	if c.AsDeployed != nil {
		t.OverflowPath, t.Items = pricing.OverflowPath(c.Settings.OverflowPath), float64(max(1, c.AsDeployed.ListItems))
	}
	t.Periods = pricing.PeriodsOf(c.Settings)
	t.PerSecond = max(0.01, c.Trace.Total()/c.Trace.Duration().Seconds())
	workers, share := 0.0, 0.0
	for i := range pools {
		p := &pools[i]
		service, function := meanMS(p)
		workers += p.Share * t.PerSecond * service / 1000 / (workersBusy * float64(p.Runners))
		t.ServiceMS += p.Share * service
		t.FunctionMS += p.Share * function
		share += p.Share
	}
	t.Workers, t.ServiceMS, t.FunctionMS = max(1, workers/share), t.ServiceMS/share, t.FunctionMS/share
	switch prices := c.Market.Catalogue.Prices; simulate.PlatformOf(scheme).Serving {
	case simulate.BehindBalancer:
		return pricing.BehindBalancer(prices, t)
	case simulate.ByFunctions: // the fee for a request is in a function's price
		return pricing.ByFunctions(prices, t, 0)
	case simulate.Managed:
		return pricing.ByFunctions(prices, t, prices.LambdaPerRequest)
	default:
		return pricing.ByAnswer(prices, t)
	}
}

// meanMS is the mean time of a pool's models on a runner and on a function.
func meanMS(p *simulate.Pool) (service, function float64) {
	for i := range p.Models {
		service += p.Models[i].ServiceMS / float64(len(p.Models))
		function += p.Models[i].FunctionMS / float64(len(p.Models))
	}
	return service, function
}

// Ran is a row with what it was made from.
type Ran struct {
	Row    Row
	Result simulate.Result
	// ClairvoyantHours is what the clairvoyant spent in each hour.
	ClairvoyantHours []float64
}

// Play plays the schemes of a case, as many at once as there are processors.
// done is called after each run, from one goroutine at a time; it may be nil.
func Play(ctx context.Context, c Case, schemes []procurement.Scheme, done func(what string)) ([]Ran, error) {
	out := make([]Ran, len(schemes))
	var known, plain simulate.Result
	linearUSD := 0.0
	jobs := make([]func() error, 0, len(schemes)+2)
	say := OneAtATime(done)
	if c.References && c.Layout == simulate.Shared {
		jobs = append(jobs, func() (err error) {
			linearUSD, err = c.clairvoyant(&known, false, say)
			return err
		}, func() error {
			_, err := c.clairvoyant(&plain, true, say)
			return err
		})
	}
	for i, s := range schemes {
		jobs = append(jobs, func() (err error) {
			out[i], err = c.play(s)
			say(c.Name + " " + s.Name())
			return err
		})
	}
	if err := RunJobs(ctx, jobs); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	for i := range out {
		out[i].against(known, plain, linearUSD)
	}
	return out, nil
}

func (c Case) clairvoyant(into *simulate.Result, noDefer bool, say func(string)) (leastUSD float64, err error) {
	cfg, err := c.Config(nil)
	if err != nil {
		return 0, err
	}
	cfg.NoDefer = noDefer
	*into, leastUSD, err = simulate.Clairvoyant(cfg)
	say(c.Name + " clairvoyant")
	return leastUSD, err
}

func (c Case) play(s procurement.Scheme) (Ran, error) {
	cfg, err := c.Config(s)
	if err != nil {
		return Ran{}, err
	}
	watch := simulate.WatchStatic(&cfg)
	r, err := simulate.Run(cfg)
	if err != nil {
		return Ran{}, err
	}
	cfg.Machinery = pricing.PerQuery{}
	row := c.row(s, r)
	row.StaticEstimate = watch.Score()
	row.BoundUSD = simulate.BoundUSD(&cfg, r)
	row.RatioToBound = Ratio(row.CostUSD, row.BoundUSD)
	return Ran{Row: row, Result: r}, nil
}

// OneAtATime calls done back from one goroutine at a time.
func OneAtATime(done func(string)) func(string) {
	var mu sync.Mutex
	return func(what string) {
		if done == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		done(what)
	}
}

// RunJobs does the jobs, as many at once as there are processors, and returns
// the first error in the order of the jobs.
func RunJobs(ctx context.Context, jobs []func() error) error {
	errs := make([]error, len(jobs))
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i, job := range jobs {
		select {
		case <-ctx.Done():
			all.Wait()
			return context.Cause(ctx)
		case room <- struct{}{}:
		}
		all.Go(func() {
			defer func() { <-room }()
			errs[i] = job()
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
