package machine

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/telemetry"
)

// tallied are metrics that are also kept as they stand, for Prometheus: the
// sums of counters since this process began, and the last values of gauges.
type tallied struct {
	cloud.Metrics
	known map[string]telemetry.Metric

	mu     sync.Mutex // guards what follows
	values map[string]telemetry.Value
}

func newTallied(m cloud.Metrics) *tallied {
	t := &tallied{Metrics: m, known: map[string]telemetry.Metric{}, values: map[string]telemetry.Value{}}
	for _, k := range telemetry.All() {
		t.known[k.Name] = k
	}
	return t
}

// Put stores the points and then counts them, once each.
func (t *tallied) Put(ctx context.Context, points ...cloud.Point) error {
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
	return out
}

// follow counts late writes, which the store itself puts, until ctx ends.
func (t *tallied) follow(ctx context.Context, since time.Time) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			series, err := t.Metrics.Series(ctx, cloud.LateWrites, nil, since, now.Add(time.Second), time.Hour)
			if err != nil {
				continue
			}
			v := telemetry.Value{Metric: telemetry.LateWrites}
			for _, s := range series {
				v.Value += s.Sum
			}
			t.mu.Lock()
			t.values[cloud.LateWrites] = v
			t.mu.Unlock()
		}
	}
}
