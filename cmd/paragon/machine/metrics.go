package machine

import (
	"context"
	"net/http"
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
	*telemetry.Kept

	mu      sync.Mutex // guards what follows
	tracker tally.Tracker
	counted []tally.Tally // by task, model and class
	burns   *tally.Burns

	queues queueReader // read at each request
	// served are the keys of which there is a value before anything was counted, so
	// that a rate is known from the first query on; nil for none.
	served func() []tally.Key
}

func newTallied(m platform.Metrics, queues queueReader, now time.Time) *tallied {
	return &tallied{Kept: telemetry.NewKept(m), queues: queues, tracker: tally.NewTracker(now), burns: tally.NewBurns()}
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
	var served []tally.Key
	if t.served != nil {
		served = t.served()
	}
	return append(t.Values(), telemetry.Totals{Tallies: t.counted, Burns: t.burns.Rates(now)}.Values(served...)...)
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
	t.Set(v)
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
