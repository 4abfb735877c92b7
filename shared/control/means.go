package control

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// collectMeans follows what the queries of the seconds from and to asked for on
// average. Seconds of the last two minutes will be read again: the means with
// them are made anew at each tick, from the settled ones before them.
func (c *Controller) collectMeans(ctx context.Context, arrived []procurement.Second, from, to time.Time, m *memory) error {
	at := func(t time.Time) int { return min(max(0, int(t.Sub(from)/time.Second)), len(arrived)) }
	fresh := at(m.SettledTo) // those before it are in the settled means
	open := max(fresh, at(to.Add(-reread)))
	settled, all := m.Settled, m.Means
	for _, k := range []struct {
		metric       telemetry.Metric
		settled, all *workload.Mean
		count        func(procurement.Second) float64
	}{
		{telemetry.ArrivalWork, &settled.ServiceMS, &all.ServiceMS, procurement.Second.All},
		{telemetry.ArrivalFunctionUSD, &settled.FunctionUSD, &all.FunctionUSD, procurement.Second.All},
		{telemetry.ArrivalDefer, &settled.DeferMS, &all.DeferMS, func(s procurement.Second) float64 { return s.Relaxed }},
	} {
		sums, err := c.perSecond(ctx, k.metric, from, len(arrived))
		if err != nil {
			return err
		}
		*k.settled = addSeconds(*k.settled, sums[fresh:open], arrived[fresh:open], k.count)
		*k.all = addSeconds(*k.settled, sums[open:], arrived[open:], k.count)
	}
	m.Settled, m.Means = settled, all
	if end := from.Add(time.Duration(open) * time.Second); end.After(m.SettledTo) {
		m.SettledTo = end
	}
	return nil
}

// addSeconds takes the sums of some seconds, and how many queries they are of.
func addSeconds(m workload.Mean, sums []float64, arrived []procurement.Second, count func(procurement.Second) float64) workload.Mean {
	var sum, queries float64
	for i, a := range arrived {
		sum, queries = sum+sums[i], queries+count(a)
	}
	return m.Add(sum, queries)
}

// perSecond reads the sums of a metric without dimensions, second by second.
func (c *Controller) perSecond(ctx context.Context, m telemetry.Metric, from time.Time, seconds int) ([]float64, error) {
	series, err := c.Metrics.Series(ctx, m.Name, nil, from, from.Add(time.Duration(seconds)*time.Second), time.Second)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", m.Name, err)
	}
	out := make([]float64, seconds)
	for _, p := range series {
		if i := int(p.At.Sub(from) / time.Second); i >= 0 && i < seconds {
			out[i] += p.Sum
		}
	}
	return out, nil
}
