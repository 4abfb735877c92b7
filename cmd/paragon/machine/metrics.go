package machine

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"paragon/shared/core/tally"
	"paragon/shared/platform"
	"paragon/shared/telemetry"
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
	counted []tally.Tally // by task and class
}

func newTallied(m platform.Metrics, now time.Time) *tallied {
	t := &tallied{Metrics: m, known: map[string]telemetry.Metric{}, values: map[string]telemetry.Value{}, tracker: tally.NewTracker(now)}
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
	if err := checkLoopback(r.Host); err != nil { // a web page may point its own name here
		http.Error(w, "ask by a loopback address and its port", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_ = telemetry.WriteText(w, t.snapshot()) // a caller that went away cannot be told
}

func (t *tallied) snapshot() []telemetry.Value {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]telemetry.Value, 0, len(t.values))
	for _, v := range t.values {
		out = append(out, v)
	}
	for _, c := range t.counted {
		out = append(out, countedValues(c)...)
	}
	return out
}

// countedValues are the metrics that workers report, of one task and class.
func countedValues(c tally.Tally) []telemetry.Value {
	dims := telemetry.TaskClass(c.Task, string(c.Class))
	count := func(m telemetry.Metric, v float64) telemetry.Value {
		return telemetry.Value{Metric: m, Dimensions: dims, Value: v}
	}
	return []telemetry.Value{
		count(telemetry.Refused, float64(c.Refused)), count(telemetry.Answered, float64(c.Answered)), count(telemetry.Met, float64(c.Met)),
		count(telemetry.Overflowed, float64(c.Overflowed)), count(telemetry.Failed, float64(c.Failed)), count(telemetry.Expired, float64(c.Expired)),
		count(telemetry.Cancelled, float64(c.Cancelled)), count(telemetry.QueryUSD, c.CostUSD),
		{Metric: telemetry.Latency, Dimensions: dims, Histogram: c.Latency}, {Metric: telemetry.Wait, Dimensions: dims, Histogram: c.Wait},
	}
}

// fleetTallies is where the workers' counts are read.
type fleetTallies interface {
	Tallies(ctx context.Context, pool string) (map[string]tally.Snapshot, error)
}

// count adds what the workers of some pools have counted since the last time.
// Pools that cannot be read are read the next time.
func (t *tallied) count(ctx context.Context, fleet fleetTallies, now time.Time, pools ...string) {
	var more []tally.Tally
	for _, pool := range pools {
		snapshots, err := fleet.Tallies(ctx, pool)
		if err != nil {
			continue
		}
		t.mu.Lock()
		for id, s := range snapshots {
			more = append(more, t.tracker.Follow(pool+"/"+id, s, now)...)
		}
		t.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tracker.Forget(now)
	t.counted = tally.Group(append(t.counted, more...), tally.ByTask)
}

// follow counts what others have counted, until ctx ends: the workers, and late
// writes, which the store itself puts.
func (t *tallied) follow(ctx context.Context, fleet fleetTallies, since time.Time) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			t.count(ctx, fleet, now, Pool, platform.FunctionsPool)
			series, err := t.Metrics.Series(ctx, platform.LateWrites, nil, since, now.Add(time.Second), time.Hour)
			if err != nil {
				continue
			}
			v := telemetry.Value{Metric: telemetry.LateWrites}
			for _, s := range series {
				v.Value += s.Sum
			}
			t.mu.Lock()
			t.values[platform.LateWrites] = v
			t.mu.Unlock()
		}
	}
}
