package settle

import (
	"context"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// batchMost is how many messages a queue deletes in one request, as SQS allows.
	batchMost = 10
	// batchPatience bounds one request; who waits for it may give up sooner.
	batchPatience = 10 * time.Second
)

// batcher deletes messages together: while one request is under way those that
// come wait for the next, so that a lone message waits for nobody and a busy
// worker pays a tenth of the requests. Its queries are finished by then: a
// message that is not deleted comes again and is found to be over.
type batcher struct {
	mu      sync.Mutex
	waiting []deletion
	busy    bool // a goroutine works through waiting
}

type deletion struct {
	d    platform.Delivery
	done chan<- error
}

// delete deletes one message, in a request with others, unless ctx ends first.
func (b *batcher) delete(ctx context.Context, q Queues, d platform.Delivery) error {
	done := make(chan error, 1)
	b.mu.Lock()
	b.waiting = append(b.waiting, deletion{d, done})
	if !b.busy {
		b.busy = true
		go b.work(context.WithoutCancel(ctx), q)
	}
	b.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work deletes what waits until nothing does.
func (b *batcher) work(ctx context.Context, q Queues) {
	for {
		batch := b.take()
		if len(batch) == 0 {
			return
		}
		ds := make([]platform.Delivery, len(batch))
		for i, one := range batch {
			ds[i] = one.d
		}
		call, cancel := context.WithTimeout(ctx, batchPatience)
		err := q.Delete(call, ds...)
		cancel()
		for _, one := range batch {
			one.done <- err
		}
	}
}

// take returns the next batch; with none there the work is over.
func (b *batcher) take() []deletion {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), batchMost)
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	b.busy = n > 0
	if n == 0 {
		b.waiting = nil
	}
	return batch
}
