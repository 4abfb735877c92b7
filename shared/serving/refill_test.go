package serving_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/serving"
)

// counting counts how often relaxed queries are asked for.
type counting struct {
	platform.Queues
	asked atomic.Int64
}

func (c *counting) Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	if q == platform.WorkQueue(pool, query.Relaxed) {
		c.asked.Add(1)
	}
	return c.Queues.Receive(ctx, q, limit, lease, wait)
}

// A busy worker asks for several relaxed queries at once, and no runner waits
// for one the longer for it.
func TestABusyWorkerRefillsByTheHandful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.LookAheadMS = 1000
		const queries = 60
		var ids []string
		for i := range queries {
			ids = append(ids, fmt.Sprint("q", i))
			r.submit(ask{id: ids[i], model: "quick", class: query.Relaxed, boundMS: 60_000})
		}
		q := &counting{}
		w := r.start("w1", func(o *serving.Options, way *mortal) { q.Queues, o.Queues = way, q })
		var first, last time.Time
		for _, id := range ids {
			o := r.want(id, query.Succeeded).Outcome
			if first.IsZero() || o.StartedAt.Before(first) {
				first = o.StartedAt
			}
			if o.FinishedAt.After(last) {
				last = o.FinishedAt
			}
		}
		r.end(w)
		if took, want := last.Sub(first), queries*20*time.Millisecond; took != want {
			t.Errorf("%d queries of 20 ms took one runner %v, want %v: it waited for queries", queries, took, want)
		}
		if asked := q.asked.Load(); asked > queries/3 {
			t.Errorf("asked %d times for %d queries", asked, queries)
		}
	})
}
