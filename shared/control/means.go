package control

import (
	"context"
	"fmt"
	"time"

	"paragon/shared/core/procurement"
	"paragon/shared/telemetry"
)

// mean is the mean of the last queries, so many of them.
type mean struct {
	Value   float64 `json:"value"`
	Queries float64 `json:"queries"`
}

// meanQueries is how many queries a mean goes back.
const meanQueries = 500

// mostSum is beyond what queries can sum up to between two ticks.
const mostSum = 1e15

// add takes the sum of so many queries' values.
func (m mean) add(sum, queries float64) mean {
	if !(sum > 0 && sum < mostSum) || !(queries > 0 && queries < mostSum) { // nothing came, or no number
		return m
	}
	old := min(m.Queries, meanQueries)
	return mean{Value: (m.Value*old + sum) / (old + queries), Queries: old + queries}
}

// of is the mean, or what stands for it as long as no query came.
func (m mean) of(unknown float64) float64 {
	if m.Queries == 0 {
		return unknown
	}
	return m.Value
}

// means are those of the last queries, by which a query that waits is judged.
type means struct {
	ServiceMS   mean `json:"service_ms"`
	FunctionUSD mean `json:"function_usd"`
	DeferMS     mean `json:"defer_ms"`
}

// collectMeans follows what the queries of the seconds from and to asked for on
// average. Seconds of the last two minutes will be read again: the means with
// them are made anew at each tick, from the settled ones before them.
func (c *Controller) collectMeans(ctx context.Context, arrived []procurement.Second, from, to time.Time, m *memory) error {
	at := func(t time.Time) int { return min(max(0, int(t.Sub(from)/time.Second)), len(arrived)) }
	fresh := at(m.SettledTo) // those before it are in the settled means
	open := max(fresh, at(to.Add(-reread)))
	settled, all := m.Settled, m.means
	for _, k := range []struct {
		metric       telemetry.Metric
		settled, all *mean
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
		*k.settled = k.settled.addSeconds(sums[fresh:open], arrived[fresh:open], k.count)
		*k.all = k.settled.addSeconds(sums[open:], arrived[open:], k.count)
	}
	m.Settled, m.means = settled, all
	if end := from.Add(time.Duration(open) * time.Second); end.After(m.SettledTo) {
		m.SettledTo = end
	}
	return nil
}

// addSeconds takes the sums of some seconds, and how many queries they are of.
func (m mean) addSeconds(sums []float64, arrived []procurement.Second, count func(procurement.Second) float64) mean {
	var sum, queries float64
	for i, a := range arrived {
		sum, queries = sum+sums[i], queries+count(a)
	}
	return m.add(sum, queries)
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
