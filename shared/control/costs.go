package control

import (
	"context"
	"errors"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// collectCosts adds what the queries recently took and what they cost. Before
// the first query the means of the catalogue stand for them. Nothing measures their time on
// functions: it is taken to differ from the catalogue's mean by as much as that on workers.
func (c *Controller) collectCosts(p Pool, in *decision.Case, m memory) {
	s, set := &in.Snapshot, in.Settings
	s.ServiceMS = workload.MeanServiceMS(m.Means, c.Catalogue.Current(), p.InstanceType)
	usd, warmMS := c.meanFunction(sizing.Warm)
	_, coldMS := c.meanFunction(func(int) float64 { return 1 })
	s.FunctionMS = warmMS * workload.RelativeServiceTime(m.Means, c.Catalogue.Current(), p.InstanceType)
	s.ColdLate = s.FunctionMS+coldMS-warmMS+set.OverflowPathMS > set.StrictBelowMS
	s.FunctionUSD = m.FunctionUSD.Or(usd)
	last := set.DefaultLatencyMS - set.OverflowPathMS - s.FunctionMS
	functions := sizing.HandOver{WarmAfterMS: last, ColdAfterMS: last - (coldMS - warmMS)}
	s.DeferMS = m.DeferMS.Or(max(0, functions.RelaxedAtMS(set.DefaultLatencyMS, s.ServiceMS, sizing.PathsOf(set), false)))
	s.OverflowUSD, s.UnaidedUSD = overflowUSD(c.Catalogue.Current().Prices, set, s.ServiceMS, s.FunctionMS)
	if i, ok := c.Catalogue.Current().Instance(p.InstanceType); ok {
		s.WorkerUSDPerHour = i.USDPerHour
	}
}

// overflowUSD is what the way of an overflowed query costs more than that of a direct
// answer, while workers are up and while none is: of small queries, one in a request, as
// the simulator prices them.
func overflowUSD(p profile.Prices, set settings.Settings, serviceMS, functionMS float64) (aided, unaided float64) {
	t := pricing.SmallQueries(pricing.WorkersFront, pricing.Direct)
	t.OverflowPath, t.PerSecond, t.Workers = pricing.OverflowPath(set.OverflowPath), 1, 1
	t.ServiceMS, t.FunctionMS, t.Periods = serviceMS, functionMS, pricing.PeriodsOf(set)
	return pricing.ByAnswer(p, t).OverflowMoreUSD()
}

// meanFunction is what a query of the mean model costs on its cheapest function
// and how long it takes there, when such a share of them is cold; zeros without functions.
func (c *Controller) meanFunction(coldShare func(memoryMB int) float64) (usd, p95MS float64) {
	n := 0.0
	catalogue := c.Catalogue.Current()
	for i := range catalogue.Models {
		m := &catalogue.Models[i]
		if c.Arch == "" || m.File == "" {
			continue
		}
		if sizes := sizing.RankFunctions(catalogue, m, c.Arch, sizing.Wants{BoundMS: time.Hour.Seconds() * 1000}, coldShare); len(sizes) > 0 {
			usd, p95MS, n = usd+sizes[0].QueryUSD, p95MS+sizes[0].P95MS, n+1
		}
	}
	if n == 0 {
		return 0, 0
	}
	return usd / n, p95MS / n
}

// functionsSpent is what functions cost in an hour, as it was last read.
type functionsSpent struct {
	hour time.Time
	usd  float64
}

// spentByFunctions is what functions cost since the hour began, as it was last read: with
// a budget whenever this pool's metrics were, otherwise with the sums of its arrivals.
func (c *Controller) spentByFunctions(ctx context.Context, in *decision.Case, hour time.Time) (float64, error) {
	c.mu.Lock()
	known, due := c.spent[in.Pool], c.sumsAt[in.Pool].Equal(in.At)
	if in.Settings.HourlyBudgetUSD > 0 {
		due = c.metricsAt[in.Pool].Equal(in.At)
	}
	c.mu.Unlock()
	if !due && known.hour.Equal(hour) {
		return known.usd, nil
	}
	usd, err := c.sum(ctx, telemetry.FunctionUSD, hour, in.At)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spent[in.Pool] = functionsSpent{hour, usd}
	}
	return usd, err
}

// collectSpent adds what this clock hour has cost: workers by their time, and
// functions by what their invocations cost. A controller that was away takes
// the workers that it finds for those that were there.
func (c *Controller) collectSpent(ctx context.Context, in *decision.Case, m *memory, workers int) {
	hour := in.At.Truncate(time.Hour).UTC()
	if !m.Hour.Equal(hour) {
		m.Hour, m.WorkersUSD = hour, 0
	}
	from := m.SpentTo
	if from.Before(hour) {
		from = hour
		if m.SpentTo.IsZero() {
			from = in.At
		}
	}
	if in.At.After(from) {
		m.WorkersUSD += float64(workers) * in.Snapshot.WorkerUSDPerHour * in.At.Sub(from).Hours()
	}
	m.SpentTo = in.At.UTC()
	in.SpentUSD = m.WorkersUSD
	s := decision.Signal{Name: "spending"}
	m.Up = workers
	functions, err := c.spentByFunctions(ctx, in, hour)
	var unknown error
	in.Others, unknown = c.othersOf(ctx, in.Pool, hour)
	err = errors.Join(err, unknown)
	switch {
	case err != nil && in.Settings.HourlyBudgetUSD > 0:
		s.Fault = err.Error()
	case err != nil:
		s.Note = err.Error() // without a budget nothing hangs on it
	}
	in.SpentUSD += functions
	in.Signals = append(in.Signals, s)
}

// othersOf adds up the other pools by their last ticks. Pools are decided in their order, so
// that those before this one have been decided in this tick. Workers that leave cost, too.
func (c *Controller) othersOf(ctx context.Context, pool string, hour time.Time) (others decision.Others, err error) {
	decided := true
	for _, p := range c.Pools {
		if p.Name == pool {
			decided = false
			continue
		}
		last, err := c.lastOf(ctx, p.Name)
		if err != nil {
			return others, err
		}
		if last.Hour.Equal(hour) {
			others.SpentUSD += last.WorkersUSD
		}
		in, _ := c.Catalogue.Current().Instance(p.InstanceType)
		if n := max(last.Rules.To, last.Up); decided {
			others.DecidedUSDPerHour += pricing.FleetHourUSD(in, n)
		} else {
			others.WantedUSDPerHour = append(others.WantedUSDPerHour, pricing.FleetHourUSD(in, max(n, last.Wanted)))
		}
	}
	return others, nil
}

// measure writes how the tick went. A metric that cannot be written is not
// worth a tick.
func (c *Controller) measure(ctx context.Context, r decision.Record, took time.Duration) {
	held := 0.0
	if r.Outcome != procurement.Decided {
		held = 1
	}
	p, at := r.Case.Snapshot.Pool, r.Case.At
	points := []platform.Point{{Metric: telemetry.Faults.Name, At: at, Value: float64(len(r.Case.SettingsFaults))}}
	for m, v := range map[string]float64{
		telemetry.Ready.Name: float64(p.Ready), telemetry.Booting.Name: float64(p.Booting), telemetry.Wanted.Name: float64(r.Wanted),
		telemetry.Target.Name: float64(r.Action.To), telemetry.Held.Name: held, telemetry.Clamped.Name: float64(len(r.Clamps)),
		telemetry.Spent.Name: r.Case.SpentUSD, telemetry.TickMS.Name: took.Seconds() * 1000,
	} {
		points = append(points, platform.Point{Metric: m, Dimensions: telemetry.PoolOf(r.Case.Pool), At: at, Value: v})
	}
	for m, v := range missing(r) {
		points = append(points, platform.Point{Metric: m, Dimensions: telemetry.PoolOf(r.Case.Pool), At: at, Value: v})
	}
	if err := c.Metrics.Put(ctx, points...); err != nil {
		c.Log.Warn("could not write the metrics of a tick", "pool", r.Case.Pool, "error", err)
	}
}

// missing are the metrics of workers that were asked for and do not serve. They are
// absent while none is missing: in an account a metric is paid for by the hour.
func missing(r decision.Record) map[string]float64 {
	out, g, p := map[string]float64{}, r.Case.Group, r.Case.Snapshot.Pool
	if n := g.Desired - p.Ready; n > 0 {
		out[telemetry.Missing.Name] = float64(n)
	}
	if r.Case.LaunchFailed() {
		out[telemetry.LaunchFaults.Name] = 1
	}
	return out
}

// measureEnds writes what became of the queries of the last minute, by what the
// workers counted; nothing where none ended.
func (c *Controller) measureEnds(ctx context.Context) {
	traffic, err := c.summaries.Get(ctx)
	if err != nil && ctx.Err() != nil {
		return // the controller stops
	}
	if err != nil {
		c.Log.Warn("could not sum up the traffic", "error", err)
		return
	}
	points := endPoints(traffic)
	if len(points) == 0 {
		return
	}
	if err := c.Metrics.Put(ctx, points...); err != nil {
		c.Log.Warn("could not write how queries ended", "error", err)
	}
}

// endPoints are the shares of the last minute's queries that missed their bound,
// overflowed and expired.
func endPoints(s tally.Summary) []platform.Point {
	var all tally.Counts
	for _, l := range s.Minute {
		if l.Task == "" { // over all tasks
			all = all.Add(l.Counts)
		}
	}
	ended := float64(all.Ended())
	if ended == 0 {
		return nil
	}
	share := func(m telemetry.Metric, n int64) platform.Point {
		return platform.Point{Metric: m.Name, At: s.At, Value: float64(n) / ended}
	}
	return []platform.Point{share(telemetry.MissedShare, all.Ended()-all.Met), share(telemetry.OverflowShare, all.Overflowed), share(telemetry.ExpiredShare, all.Expired)}
}
