package machine

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// tallied are metrics that are also kept as they stand, for Prometheus: the
// sums of counters since this process began, the last values of gauges, and
// what the workers have counted.
type tallied struct {
	platform.Metrics
	known map[string]telemetry.Metric

	mu     sync.Mutex // guards what follows
	values map[string]telemetry.Value

	tracker tally.Tracker
	counted []tally.Tally // by task, model and class
	burns   *tally.Burns

	queues queueReader // read at each request
	// served are the keys of which there is a value before anything was counted, so
	// that a rate is known from the first query on; nil for none.
	served func() []tally.Key
}

func newTallied(m platform.Metrics, queues queueReader, now time.Time) *tallied {
	t := &tallied{Metrics: m, queues: queues, known: map[string]telemetry.Metric{}, values: map[string]telemetry.Value{}, tracker: tally.NewTracker(now), burns: tally.NewBurns()}
	for _, k := range telemetry.All() {
		t.known[k.Name] = k
	}
	return t
}

// Put stores the points and then counts them, once each.
func (t *tallied) Put(ctx context.Context, points ...platform.Point) error {
	if err := t.Metrics.Put(ctx, points...); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range points {
		m, ok := t.known[p.Metric]
		if !ok {
			continue
		}
		key := p.Metric + "\x1f" + strings.Join(p.Dimensions, "\x1f")
		v := telemetry.Value{Metric: m, Dimensions: p.Dimensions, Value: p.Value}
		if m.Kind == telemetry.Counter {
			v.Value += t.values[key].Value
		}
		t.values[key] = v
	}
	return nil
}

// ServeHTTP is GET /metrics.
func (t *tallied) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_ = telemetry.WriteText(w, append(t.snapshot(time.Now()), queueValues(r.Context(), t.queues)...)) // the caller may be gone
}

// queueReader reads what the queues hold.
type queueReader interface {
	Depth(ctx context.Context, q platform.QueueName) (platform.Depth, error)
}

// queueNames are the queues of a machine.
var queueNames = []platform.QueueName{platform.WorkQueue(Pool, query.Strict), platform.WorkQueue(Pool, query.Relaxed), platform.Overflow, platform.DeadLetters}

// queueValues are the metrics of the queues, without those that cannot be read now.
func queueValues(ctx context.Context, queues queueReader) []telemetry.Value {
	var out []telemetry.Value
	for _, q := range queueNames {
		d, err := queues.Depth(ctx, q)
		if err != nil {
			continue
		}
		dims := telemetry.QueueOf(string(q))
		out = append(out, telemetry.Value{Metric: telemetry.QueueMessages, Dimensions: dims, Value: float64(d.Visible)},
			telemetry.Value{Metric: telemetry.QueueInFlight, Dimensions: dims, Value: float64(d.InFlight)},
			telemetry.Value{Metric: telemetry.QueueOldest, Dimensions: dims, Value: query.Milliseconds(d.Oldest)})
	}
	return out
}

func (t *tallied) snapshot(now time.Time) []telemetry.Value {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]telemetry.Value, 0, len(t.values))
	for _, v := range t.values {
		out = append(out, v)
	}
	for _, c := range tally.Group(t.counted, tally.ByTask) {
		out = append(out, telemetry.Value{Metric: telemetry.Refused, Dimensions: telemetry.TaskClass(c.Task, string(c.Class)), Value: float64(c.Refused)})
	}
	for _, b := range t.burns.Rates(now) {
		out = append(out, telemetry.Value{Metric: telemetry.BurnRate, Dimensions: telemetry.ClassWindow(string(b.Class), b.Window), Value: b.Rate})
	}
	for _, c := range t.withServed() {
		out = append(out, countedValues(c)...)
	}
	return out
}

// withServed are the models whose queries have ended, and those that are served
// and have none yet. The caller holds the lock.
func (t *tallied) withServed() []tally.Tally {
	var zero []tally.Tally
	if t.served != nil {
		for _, k := range t.served() {
			zero = append(zero, tally.Tally{Key: k})
		}
	}
	ended := slices.DeleteFunc(slices.Clone(t.counted), func(c tally.Tally) bool { return c.Ended()+c.Cancelled+c.BadInput == 0 })
	return tally.Group(append(ended, zero...), tally.ByModel)
}

// countedValues are the metrics that workers report, of one model and class.
func countedValues(c tally.Tally) []telemetry.Value {
	dims := telemetry.ModelClass(c.Task, c.Model, string(c.Class))
	count := func(m telemetry.Metric, v float64) telemetry.Value {
		return telemetry.Value{Metric: m, Dimensions: dims, Value: v}
	}
	return []telemetry.Value{
		count(telemetry.Answered, float64(c.Answered)), count(telemetry.Met, float64(c.Met)), count(telemetry.Overflowed, float64(c.Overflowed)),
		count(telemetry.ColdStarts, float64(c.ColdStarts)), count(telemetry.Failed, float64(c.Failed)), count(telemetry.Expired, float64(c.Expired)),
		count(telemetry.Cancelled, float64(c.Cancelled)), count(telemetry.BadInput, float64(c.BadInput)), count(telemetry.QueryUSD, c.CostUSD),
		{Metric: telemetry.Latency, Dimensions: dims, Histogram: c.Latency}, {Metric: telemetry.Wait, Dimensions: dims, Histogram: c.Wait},
	}
}

// fleetTallies is where the workers' counts are read.
type fleetTallies interface {
	Tallies(ctx context.Context, pool string) (map[string]tally.Snapshot, error)
}

// count adds what the workers of some pools have counted since the last time, and
// returns it. Pools that cannot be read are read the next time.
func (t *tallied) count(ctx context.Context, fleet fleetTallies, now time.Time, pools ...string) tally.Growth {
	var more tally.Growth
	for _, pool := range pools {
		snapshots, err := fleet.Tallies(ctx, pool)
		if err != nil {
			continue
		}
		t.mu.Lock()
		for id, s := range snapshots {
			of := t.tracker.Advance(pool+"/"+id, s, now)
			more.Tallies, more.Owners = append(more.Tallies, of.Tallies...), append(more.Owners, of.Owners...)
		}
		t.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tracker.Forget(now)
	t.burns.Add(now, more.Tallies)
	t.counted = tally.Group(append(t.counted, more.Tallies...), tally.ByModel)
	return more
}

// countLate reads the late writes, which the store itself counts.
func (t *tallied) countLate(ctx context.Context, since, now time.Time) {
	series, err := t.Metrics.Series(ctx, platform.LateWrites, nil, since, now.Add(time.Second), time.Hour)
	if err != nil {
		return
	}
	v := telemetry.Value{Metric: telemetry.LateWrites}
	for _, s := range series {
		v.Value += s.Sum
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.values[platform.LateWrites] = v
}

// servedKeys are the models that have a network, in both classes.
func (m *Machine) servedKeys() (out []tally.Key) {
	for _, model := range m.store.Current().Offered().Models {
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			out = append(out, tally.Key{Task: model.Task, Model: model.Name, Class: class})
		}
	}
	return out
}
