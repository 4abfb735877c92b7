package control

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// lookBack is how far back arrivals are read that no tick has seen, and reread
// how far back those are read again that one has: points come late.
const (
	lookBack = time.Hour
	reread   = procurement.RereadSeconds * time.Second
)

// collectArrivals adds the arrivals that came to be known since the last tick,
// those of the two minutes before them as they are known by now, and, where it is
// due, what they asked for. Where the metrics are not due it is as if nothing newer
// were known.
func (c *Controller) collectArrivals(ctx context.Context, in *decision.Case, after *memory) {
	from, to, err := c.knownSeconds(ctx, in)
	s := decision.Signal{Name: decision.Arrivals}
	if !to.IsZero() {
		s.AgeSeconds = max(0, in.At.Sub(to).Seconds())
	}
	in.Snapshot.CoveredTo = to
	if err == nil && from.Before(to) {
		in.Snapshot.Arrivals, err = c.arrivalsAndMeans(ctx, in, from, to, after)
	}
	c.moreDue(in.Pool, err != nil || to.IsZero() || c.pulseIsMissing(in, to), grew(in.Before.Scheme, in.Snapshot), to.After(in.Before.Scheme.KnownUntil))
	if err != nil {
		s.Fault = err.Error()
		in.Snapshot.Arrivals = nil
	}
	in.Signals = append(in.Signals, s)
}

// arrivalsAndMeans reads the arrivals of the seconds from and to. Where the sums are due,
// or queries came and none is in the means yet, the means follow what those seconds asked
// for, and the ones before them that the last sums did not settle.
func (c *Controller) arrivalsAndMeans(ctx context.Context, in *decision.Case, from, to time.Time, after *memory) ([]procurement.Second, error) {
	start := from
	if after.SettledTo.Before(from) && after.SettledTo.After(in.At.Add(-lookBack)) {
		start = after.SettledTo
	}
	arrived, err := c.arrivals(ctx, start, to)
	if err != nil {
		return nil, err
	}
	first := after.ServiceMS.Queries == 0 && slices.ContainsFunc(arrived, anyArrival)
	if first || c.sumsDue(in.Pool, in.At) {
		err = c.collectMeans(ctx, arrived, start, to, after)
	}
	return arrived[int(from.Sub(start)/time.Second):], err
}

// moreDue notes whether the next tick is to read the metrics of a pool at rest too: where
// they could not be read, or show a load that grew, until they show newer seconds in which
// it did not. A load is then known as it grows, and not a minute later.
func (c *Controller) moreDue(pool string, unread, grew, newer bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.metricsMore[pool] = unread || grew || c.metricsMore[pool] && !newer
}

// pulseIsMissing reports whether the metrics, known to a time, do not show the pulse yet that
// a tick before put for this reading.
func (c *Controller) pulseIsMissing(in *decision.Case, known time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return known.Before(c.pulsedAt[in.Pool].Add(-seconds(in.Settings.MetricSettleSeconds)).Truncate(time.Second))
}

// What a load is compared with: as many seconds before, and an excess that arrivals by
// chance alone reach in one reading of a thousand (three standard deviations of a Poisson
// count, and two queries where next to none were expected).
const (
	steadySeconds    = 600
	chanceDeviations = 3
	chanceQueries    = 2
)

// grew reports whether the seconds of a snapshot that the scheme has not seen hold more
// arrivals than the load before them explains. A steady load that needs no worker is read once a minute: at each tick, its
// reads cost more than a small load's functions.
func grew(seen procurement.State, s procurement.Snapshot) bool {
	fresh := seen.Fresh(s)
	came := 0.0
	for _, s := range fresh {
		came += s.All()
	}
	before := seen.History[max(0, len(seen.History)-steadySeconds):]
	expected := 0.0
	for _, n := range before {
		expected += n * float64(len(fresh)) / float64(len(before))
	}
	return came > expected+chanceDeviations*math.Sqrt(expected)+chanceQueries
}

func anyArrival(s procurement.Second) bool { return s.All() > 0 }

// knownSeconds returns the seconds to read: from two minutes before those that no tick
// saw, but not from before the metrics last came without a gap, to the newest
// pulse less metric_settle_seconds. A pulse is put before the metrics are read, so that
// no points can be distinguished from no metrics.
func (c *Controller) knownSeconds(ctx context.Context, in *decision.Case) (from, to time.Time, err error) {
	set, now, seen := in.Settings, in.At, in.Before.Scheme.KnownUntil
	due, pulse := c.metricsDue(in.Pool, set, now)
	if pulse {
		if err := c.Metrics.Put(ctx, platform.Point{Metric: telemetry.Pulse.Name, At: now, Value: 1}); err != nil {
			return seen, seen, fmt.Errorf("put the pulse: %w", err)
		}
	}
	if !due {
		return seen, seen, nil
	}
	// A little of the future is looked at too: clocks differ, and a point from
	// there must not pass for none.
	pulses, err := c.Metrics.Series(ctx, telemetry.Pulse.Name, nil, now.Add(-lookBack), now.Add(time.Minute), time.Second)
	if err != nil || len(pulses) == 0 {
		return seen, seen, err
	}
	last := len(pulses) - 1
	to = pulses[last].At.Add(-seconds(set.MetricSettleSeconds)).Truncate(time.Second)
	first := last
	for first > 0 && pulses[first].At.Sub(pulses[first-1].At) <= seconds(max(60, 6*set.TickSeconds))+2*c.MetricsEvery { // a run may be left out
		first--
	}
	from = pulses[first].At
	if again := seen.Add(-reread); again.After(from) {
		from = again
	}
	return from, to, nil
}

// metricsDue says whether a tick reads the metrics, and whether it puts a pulse. Each
// does both but at rest. There some read, long before the arrivals are stale, and those
// after one that was not enough; the pulse is put a tick before, as CloudWatch shows a
// point only seconds after it is put: what a read knows would end with the pulse of the
// one before.
//
// What the arrivals asked for and what functions cost changes slowly, and intakes in Lambda
// add it up over a minute: it is read as often in a busy stage as in one at rest.
func (c *Controller) metricsDue(pool string, set settings.Settings, now time.Time) (due, pulse bool) {
	between := min(c.MetricsEvery, seconds(set.StaleSeconds/2)) - seconds(set.TickSeconds/2)
	rests := c.MetricsEvery > 0 && c.atRest()
	c.mu.Lock()
	defer c.mu.Unlock()
	since := now.Sub(c.metricsAt[pool])
	every := between
	pulsed := c.pulsedAt[pool].After(c.metricsAt[pool])                  // for the next reading
	if rests && c.endsRuns(set) && c.metricsAt[pool].Before(c.ranFrom) { // the first tick puts the pulse, the second reads, and the run can end
		every = since
		if !pulsed {
			every += seconds(set.TickSeconds)
		}
	}
	if rests && !c.metricsMore[pool] && since < every {
		pulse = !pulsed && since >= every-seconds(set.TickSeconds)
		if pulse {
			c.pulsedAt[pool] = now
		}
		return false, pulse
	}
	c.metricsAt[pool] = now
	if now.Sub(c.sumsAt[pool]) >= between {
		c.sumsAt[pool] = now
	}
	return true, !pulsed
}

// endsRuns reports whether runs may end at rest: the next one has a second tick, and its
// first finds the arrivals that this one read fresh.
func (c *Controller) endsRuns(set settings.Settings) bool {
	return c.Rests && 2*set.TickSeconds <= fleet.RestSeconds && fleet.RestSeconds+set.MetricSettleSeconds+set.TickSeconds <= set.StaleSeconds
}

// sumsDue says whether a tick reads what the arrivals asked for, and what functions cost.
func (c *Controller) sumsDue(pool string, at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sumsAt[pool].Equal(at)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// arrivals reads the accepted queries of every task, second by second.
func (c *Controller) arrivals(ctx context.Context, from, to time.Time) ([]procurement.Second, error) {
	out := make([]procurement.Second, int(to.Sub(from)/time.Second))
	for _, t := range c.Catalogue.Current().Tasks {
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			series, err := c.Metrics.Series(ctx, telemetry.Arrivals.Name, telemetry.TaskClass(t.Name, string(class)), from, to, time.Second)
			if err != nil {
				return nil, fmt.Errorf("read the arrivals of %s: %w", t.Name, err)
			}
			for _, p := range series {
				i := int(p.At.Sub(from) / time.Second)
				if i < 0 || i >= len(out) {
					continue
				}
				if class == query.Strict {
					out[i].Strict += p.Sum
				} else {
					out[i].Relaxed += p.Sum
				}
			}
		}
	}
	return out, nil
}

// sum adds a metric without dimensions up.
func (c *Controller) sum(ctx context.Context, m telemetry.Metric, from, to time.Time) (float64, error) {
	series, err := c.Metrics.Series(ctx, m.Name, nil, from, to, time.Second)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", m.Name, err)
	}
	sum := 0.0
	for _, p := range series {
		sum += p.Sum
	}
	return sum, nil
}
