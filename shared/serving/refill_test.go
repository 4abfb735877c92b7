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

// costly has reads of the strict queue take time once the first query is there.
type costly struct {
	platform.Queues
	took  atomic.Int64 // a time.Duration
	reads atomic.Int64
}

func (c *costly) Receive(ctx context.Context, q platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	ds, err := c.Queues.Receive(ctx, q, limit, lease, wait)
	if q == platform.WorkQueue(pool, query.Strict) && wait == 0 {
		c.reads.Add(1)
		<-time.After(time.Duration(c.took.Load()))
	}
	return ds, err
}

// A full worker that can start none of the strict queries that wait reads them again and
// again, for those that become late. Where a read takes long, as of large inputs on a
// busy machine, it does so for a tenth of the time, and once a second at least.
func TestAFullWorkerSpendsLittleOnWhatItCannotStart(t *testing.T) {
	for took, want := range map[time.Duration][2]int64{0: {90, 110}, 40 * time.Millisecond: {10, 15}, 3 * time.Second: {1, 3}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			r.settings.LookAheadMS = 10
			q := &costly{}
			r.answers.cold = make(chan struct{}) // the first run goes on until the test's end
			defer close(r.answers.cold)
			r.start("w1", func(o *serving.Options, way *mortal) { q.Queues, o.Queues = way, q })
			r.submit(ask{id: "runs", model: "slow", class: query.Strict, boundMS: 60_000})
			synctest.Wait()
			for i := range 5 {
				r.submit(ask{id: fmt.Sprint("waits", i), model: "slow", class: query.Strict, boundMS: 60_000})
			}
			q.took.Store(int64(took))
			before := q.reads.Load()
			<-time.After(5 * time.Second)
			if n := q.reads.Load() - before; n < want[0] || n > want[1] {
				t.Errorf("%d reads that take %s in 5 s, want %d to %d", n, took, want[0], want[1])
			}
		})
	}
}
