package sqlite

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// tallies are what the workers have counted, by pool and worker. They are kept
// in memory: the workers end with the backend that they report to.
type tallies struct {
	mu    sync.Mutex // guards what follows
	pools map[string]map[string]talliesOf
}

type talliesOf struct {
	tally.Snapshot
	reportedAt time.Time
}

// put keeps what a report says, and forgets what has been kept for long enough.
func (t *tallies) put(r platform.WorkerReport, now time.Time) {
	if r.Tallies.IsZero() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pools == nil {
		t.pools = map[string]map[string]talliesOf{}
	}
	pool := t.pools[r.Pool]
	if pool == nil {
		pool = map[string]talliesOf{}
		t.pools[r.Pool] = pool
	}
	maps.DeleteFunc(pool, func(_ string, of talliesOf) bool { return now.Sub(of.reportedAt) > platform.TalliesKept })
	pool[r.ID] = talliesOf{r.Tallies, now}
}

// Tallies implements platform.Fleet.
func (h *Backend) Tallies(_ context.Context, pool string) (map[string]tally.Snapshot, error) {
	h.tallies.mu.Lock()
	defer h.tallies.mu.Unlock()
	out := map[string]tally.Snapshot{}
	for id, of := range h.tallies.pools[pool] {
		out[id] = of.Snapshot
	}
	return out, nil
}
