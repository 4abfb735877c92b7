package telemetry

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Kept are metrics whose values are also kept as they stand: the sums of counters since the
// process began, and the last values of gauges.
type Kept struct {
	platform.Metrics
	known map[string]Metric

	mu     sync.Mutex // guards what follows
	values map[string]Value
}

// NewKept keeps what is put to m.
func NewKept(m platform.Metrics) *Kept {
	k := &Kept{Metrics: m, known: map[string]Metric{}, values: map[string]Value{}}
	for _, metric := range All() {
		k.known[metric.Name] = metric
	}
	return k
}

// Put implements platform.Metrics: it stores the points and then counts them, once each.
func (k *Kept) Put(ctx context.Context, points ...platform.Point) error {
	if err := k.Metrics.Put(ctx, points...); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range points {
		m, ok := k.known[p.Metric]
		if !ok {
			continue
		}
		key := series(p.Metric, p.Dimensions)
		v := Value{Metric: m, Dimensions: p.Dimensions, Value: p.Value}
		if m.Kind == Counter {
			v.Value += k.values[key].Value
		}
		k.values[key] = v
	}
	return nil
}

// Set keeps a value that was not put.
func (k *Kept) Set(v Value) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.values[series(v.Metric.Name, v.Dimensions)] = v
}

// series is a key of a metric's values for some dimensions.
func series(metric string, dimensions []string) string {
	return metric + "\x1f" + strings.Join(dimensions, "\x1f")
}

// Values returns what is kept, in no order.
func (k *Kept) Values() []Value {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.values))
}

// Totals are what was counted of a stage's queries.
type Totals struct {
	Since, At time.Time
	Tallies   []tally.Tally // all since then, by task, model and class
	Burns     []tally.Burn
}

// Values are the metrics of the totals. Models of which no query has ended have none,
// unless they are among those that are served.
func (t Totals) Values(served ...tally.Key) (out []Value) {
	for _, c := range tally.Group(t.Tallies, tally.ByTask) {
		out = append(out, Value{Metric: Refused, Dimensions: TaskClass(c.Task, string(c.Class)), Value: float64(c.Refused)})
	}
	for _, b := range t.Burns {
		out = append(out, Value{Metric: BurnRate, Dimensions: ClassWindow(string(b.Class), b.Window), Value: b.Rate})
	}
	models := slices.DeleteFunc(slices.Clone(t.Tallies), func(c tally.Tally) bool { return c.Ended()+c.Cancelled+c.BadInput == 0 })
	for _, k := range served {
		models = append(models, tally.Tally{Key: k})
	}
	for _, c := range tally.Group(models, tally.ByModel) {
		out = append(out, ofModel(c)...)
	}
	return out
}

// ofModel are the metrics of the queries of one model and class.
func ofModel(c tally.Tally) []Value {
	dims := ModelClass(c.Task, c.Model, string(c.Class))
	count := func(m Metric, v float64) Value { return Value{Metric: m, Dimensions: dims, Value: v} }
	return []Value{
		count(Answered, float64(c.Answered)), count(Met, float64(c.Met)), count(Overflowed, float64(c.Overflowed)),
		count(ColdStarts, float64(c.ColdStarts)), count(Failed, float64(c.Failed)), count(Expired, float64(c.Expired)),
		count(Cancelled, float64(c.Cancelled)), count(BadInput, float64(c.BadInput)), count(QueryUSD, c.CostUSD),
		{Metric: Latency, Dimensions: dims, Histogram: c.Latency}, {Metric: Wait, Dimensions: dims, Histogram: c.Wait},
	}
}
