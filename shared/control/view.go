package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/placement"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
)

// PublishView writes how the pools stand: their ready workers and runners, and
// the work that waits and runs; and what became of the last queries.
func (c *Controller) PublishView(ctx context.Context) error {
	return c.publishView(ctx, false, c.waiting)
}

// publishOften publishes the view unless the stage is at rest: then each tick does.
func (c *Controller) publishOften(ctx context.Context) error {
	if c.atRest() {
		return nil
	}
	return c.PublishView(ctx)
}

// tickAndPublish ticks, and publishes the view of a stage at rest: nothing can be
// answered sooner for a view that is written more often, and each one costs. What
// the tick counted on the queues is not counted again. It reports whether the run may end,
// as the view says then.
func (c *Controller) tickAndPublish(ctx context.Context) (rests bool, err error) {
	began := c.Now()
	err = c.Tick(ctx)
	if c.waits.Load() || !c.atRest() {
		return false, err
	}
	rests = err == nil && c.mayRest(began)
	err = errors.Join(err, c.publishView(ctx, rests, func(_ context.Context, p Pool) (workload.Waiting, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.counted[p.Name], nil
	}))
	return rests && err == nil && c.atRest(), err // a worker may have come
}

// atRest reports whether nothing waited for a while, no worker was there or on its
// way, and none was wanted. It takes twice as long as an intake may go by a view: until
// then one may still place queries on a pool whose last worker has left.
func (c *Controller) atRest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	if !c.idle() || c.activeAt.IsZero() {
		c.activeAt = now
	}
	return now.Sub(c.activeAt) >= 2*fleet.SilentAfter(c.settings())
}

// mayRest reports whether nothing is left to do for a stage at rest before the next run: the
// tick that began at a time read the metrics of every pool, found that no load grew, no
// message in anybody's hands and no worker wanted until then, and no version is on trial.
func (c *Controller) mayRest(began time.Time) bool {
	if !c.endsRuns(c.settings()) || c.trials.Watcher != nil && c.trials.Any() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(c.Pools, func(p Pool) bool {
		return c.metricsMore[p.Name] || !c.quiet[p.Name] || c.metricsAt[p.Name].Before(began) || c.counted[p.Name].InFlight > 0
	})
}

// noteQuiet notes whether a decision leaves a pool without workers, and so does one of
// fleet.RestSeconds later with nothing newer known: no worker must be up for a spike by then,
// and what is known is not too old.
func (c *Controller) noteQuiet(r decision.Record, after decision.State) {
	quiet := c.Rests && !r.Action.Moves() && r.Action.To == 0
	if quiet {
		in := r.Case
		in.At, in.Before = in.At.Add(fleet.RestSeconds*time.Second), after
		later, _, err := decision.Make(in)
		quiet = err == nil && later.Outcome == procurement.Decided && later.Action.To == 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet[r.Case.Pool] = quiet
}

// idle is atRest at this moment, by the last view and the last tick.
func (c *Controller) idle() bool {
	for _, p := range c.looked.Pools {
		t, ticked := c.last[p.Name]
		if !ticked || t.Rules.To > 0 || p.Workers+p.Booting+p.Suspended > 0 || len(c.looked.waiting[p.Name])+len(classesOf(c.counted[p.Name])) > 0 {
			return false
		}
	}
	return len(c.looked.Pools) > 0
}

// publishView is PublishView with a way to learn what waits, and whether the run ends.
func (c *Controller) publishView(ctx context.Context, rests bool, count func(context.Context, Pool) (workload.Waiting, error)) error {
	view := looked{platform.FleetView{At: c.Now(), SettingsVersion: c.Tuned().Version, CatalogueVersion: c.catalogueVersion()}, map[string][]query.Class{}}
	for _, p := range c.Pools {
		waiting, err := count(ctx, p)
		if err != nil {
			return fmt.Errorf("view pool %s: %w", p.Name, err)
		}
		view.waiting[p.Name] = classesOf(waiting)
		seen, peers, err := c.view(ctx, p, waiting)
		if err != nil {
			return fmt.Errorf("view pool %s: %w", p.Name, err)
		}
		seen.Rests = rests
		view.Pools, view.Peers = append(view.Pools, seen), append(view.Peers, peers...)
	}
	view.Withheld = c.withheldNow(ctx)
	c.mu.Lock()
	view.WarmFunctions = c.traffic.warm
	c.looked = view
	c.mu.Unlock()
	select {
	case c.viewed <- struct{}{}:
	default: // it is to be looked at anyway
	}
	traffic, err := c.summaries.Get(ctx)
	if err != nil {
		return fmt.Errorf("sum up the traffic: %w", err)
	}
	view.Traffic, view.BrokenOnFunctions = traffic, c.brokenOnFunctions(c.Now())
	if err := c.Fleet.PublishView(ctx, view.FleetView); err != nil {
		return fmt.Errorf("publish the fleet view: %w", err)
	}
	return nil
}

// catalogueVersion is that of the catalogue as it is read now.
func (c *Controller) catalogueVersion() string {
	_ = c.Catalogue.Current() // which has it read anew when it is time to
	return profile.Version(c.Catalogue)
}

func (c *Controller) view(ctx context.Context, p Pool, waiting workload.Waiting) (placement.Pool, []platform.Peer, error) {
	now, set := c.Now(), c.settings()
	seen := placement.Pool{Name: p.Name, InstanceType: p.InstanceType, At: now}
	workers, err := c.Fleet.Workers(ctx, p.Name)
	if err != nil {
		return seen, nil, err
	}
	known := c.known(ctx, p.Name)
	census := fleet.Count(workers, now, set)
	ready := census.Ready
	meanMS := workload.MeanServiceMS(known.Means, c.Catalogue.Current(), p.InstanceType)
	work := workload.BacklogOf(waiting.Work(meanMS), ready, meanMS, now)
	seen.Heard, seen.Stalled = census.Heard(), c.stalled(p.Name, waiting.Strict > 0, census, now)
	seen.Workers, seen.StrictMS, seen.RelaxedMS = len(ready), work.StrictMS, work.RelaxedMS
	broken := make([][]breaker.Open, 0, len(ready))
	for _, w := range ready {
		seen.Runners += w.Runners
		broken = append(broken, w.Broken)
	}
	seen.Broken = breaker.Everywhere(broken)
	seen.Booting = len(census.Booting)
	for _, w := range census.Stuck {
		if w.Suspended {
			seen.Suspended++
		}
	}
	seen.Warm = known.Warm
	seen.Unfilled = known.Rules.To > 0 && seen.Workers == 0 && seen.Booting == 0
	peers := peersOf(p.Name, ready)
	seen.NoStrictOverflow = known.Rules.Strict == procurement.Never
	seen.RelaxedOverflow = known.Rules.Relaxed == procurement.AtBound
	seen.BudgetLeftUSD = known.Rules.BudgetLeftUSD
	seen.WorkersUSD, seen.PaidTo = known.WorkersUSD, known.SpentTo
	return seen, peers, nil
}

// brokenOnFunctions are the models whose breakers are open on functions in more of the
// processes that run them there than answer with them, by what these have last reported.
func (c *Controller) brokenOnFunctions(now time.Time) []breaker.Open {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all [][]breaker.Open
	answering := map[string]int{}
	for pool, counted := range c.tallies {
		for id, s := range counted {
			open := slices.DeleteFunc(slices.Clone(s.Broken), func(o breaker.Open) bool { return !now.Before(o.Until) })
			all = append(all, open)
			for model, at := range c.answered[pool+"/"+id] {
				fails := slices.ContainsFunc(open, func(o breaker.Open) bool { return o.Model == model })
				if !fails && now.Sub(at) < breaker.Recent {
					answering[model]++
				}
			}
		}
	}
	return breaker.Prevailing(all, answering)
}

// noteAnswers notes the models with which functions answered queries of a process, by what it
// counted since its last report.
func (c *Controller) noteAnswers(process string, more []tally.Tally, now time.Time) {
	for _, t := range more {
		if t.Overflowed == 0 {
			continue
		}
		if c.answered[process] == nil {
			c.answered[process] = map[string]time.Time{}
		}
		c.answered[process][t.Key.Model] = now
	}
}

// forgetAnswers forgets what counts no more.
func (c *Controller) forgetAnswers(now time.Time) {
	for process, models := range c.answered {
		maps.DeleteFunc(models, func(_ string, at time.Time) bool { return now.Sub(at) >= breaker.Recent })
		if len(models) == 0 {
			delete(c.answered, process)
		}
	}
}

// stalled says whether a pool's strict work does not move, by this view and those before.
func (c *Controller) stalled(pool string, waits bool, census fleet.Census, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stalls[pool]
	if s == nil {
		s = new(fleet.Stall)
		c.stalls[pool] = s
	}
	set := c.settings()
	s.View(waits, census, now, set)
	return len(census.Ready) > 0 && s.Stalls(census.Heard(), now, set)
}

// classesOf are the classes of which queries wait.
func classesOf(w workload.Waiting) (classes []query.Class) {
	if w.Strict > 0 {
		classes = append(classes, query.Strict)
	}
	if w.Relaxed > 0 {
		classes = append(classes, query.Relaxed)
	}
	return classes
}

// waiting counts what is on a pool's work queues.
func (c *Controller) waiting(ctx context.Context, p Pool) (workload.Waiting, error) {
	var visible [2]int
	inFlight := 0
	var oldest time.Duration
	for i, class := range []query.Class{query.Strict, query.Relaxed} {
		d, err := c.Queues.Depth(ctx, platform.WorkQueue(p.Name, class))
		if err != nil {
			return workload.Waiting{}, fmt.Errorf("count the %s queue: %w", class, err)
		}
		visible[i], inFlight, oldest = d.Visible, inFlight+d.InFlight, max(oldest, d.Oldest)
	}
	return workload.Waiting{Strict: visible[0], Relaxed: visible[1], InFlight: inFlight, Oldest: oldest}, nil
}

// lastTick is what is remembered of a pool's last tick, be it another controller's; the zero
// value before the first.
type lastTick struct {
	memory
	token int64 // of the lease under which it was seen
}

// known is the last tick that this process knows, or nothing where none can be read.
func (c *Controller) known(ctx context.Context, pool string) lastTick {
	c.mu.Lock()
	t, ok := c.last[pool]
	c.mu.Unlock()
	if ok {
		return t
	}
	t, err := c.lastOf(ctx, pool)
	if err != nil {
		c.Log.Warn("could not read the state of earlier ticks", "pool", pool, "error", err)
	}
	return t
}

// lastOf is the last tick, also where it was another controller's: it is read unless it was
// seen under the present lease.
func (c *Controller) lastOf(ctx context.Context, pool string) (lastTick, error) {
	c.mu.Lock()
	t, ok := c.last[pool]
	token := c.token
	c.mu.Unlock()
	if ok && t.token == token {
		return t, nil
	}
	m, err := c.remembered(ctx, pool)
	if err != nil {
		return lastTick{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := c.last[pool]; ok && now.token == c.token {
		return now, nil // a tick has ended since
	}
	t = lastTick{m, token}
	c.last[pool] = t
	return t, nil
}

// keepTick keeps what the view and other pools need of a tick.
func (c *Controller) keepTick(pool string, m memory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last[pool] = lastTick{m, c.token}
}

// mostPeers bounds the peers of a pool in the view: every intake reads it.
const mostPeers = 16

// reachable reports whether an address leads to a worker from elsewhere: one
// without a host is that of its own machine.
func reachable(addr string) bool { return addr != "" && addr[0] != ':' }

// peersOf are the workers that have a slot free by their last reports and can
// be reached by the others, those with most free slots first.
func peersOf(pool string, ready []platform.WorkerReport) []platform.Peer {
	var peers []platform.Peer
	for _, w := range ready {
		if free := w.Runners - w.Busy - w.HeldStrict - w.HeldRelaxed; free > 0 && reachable(w.Addr) {
			peers = append(peers, platform.Peer{ID: w.ID, Pool: pool, Addr: w.Addr, Free: free})
		}
	}
	slices.SortStableFunc(peers, func(a, b platform.Peer) int { return cmp.Compare(b.Free, a.Free) })
	return peers[:min(mostPeers, len(peers))]
}
