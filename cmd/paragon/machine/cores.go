package machine

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/paragon-serving/paragon/shared/platform"
)

// coreBound lets a function run only on a core that no worker's run and no other
// function has: on one machine a lack of processor time is not answered by taking
// more of it. What finds no core is refused as by a throttle, and falls back to
// the workers. While no worker is ready to run it, it waits for a core instead, in
// the order of arrival. It is for machines that are not paced: paced runs mostly wait.
type coreBound struct {
	platform.Invoker
	cores int64
	// workers returns how many workers are ready, and how many runs workers have under
	// way, as they last reported.
	workers func(context.Context) (ready, busy int, err error)

	mu   sync.Mutex          // of the takers that do not wait
	free *semaphore.Weighted // cores without a function
}

func newCoreBound(in platform.Invoker, cores int, workers func(context.Context) (ready, busy int, err error)) *coreBound {
	return &coreBound{Invoker: in, cores: int64(cores), workers: workers, free: semaphore.NewWeighted(int64(cores))}
}

// Invoke implements platform.Invoker.
func (c *coreBound) Invoke(ctx context.Context, function string, payload []byte) (platform.Invocation, error) {
	ready, busy, err := c.workers(ctx)
	if err != nil {
		return platform.Invocation{}, fmt.Errorf("count the inferences in progress on workers, before function %s runs: %w: %w", function, platform.ErrThrottled, err)
	}
	if ready == 0 {
		if err := c.free.Acquire(ctx, 1); err != nil {
			return platform.Invocation{}, fmt.Errorf("function %s: wait until one of %d cores is free: %w: %w", function, c.cores, platform.ErrThrottled, err)
		}
	} else if !c.take(int64(busy)) {
		return platform.Invocation{}, fmt.Errorf("function %s: none of %d cores is free: %w", function, c.cores, platform.ErrThrottled)
	}
	defer c.free.Release(1)
	return c.Invoker.Invoke(ctx, function, payload)
}

// take takes a core, if one is free while workers have busy runs in progress.
func (c *coreBound) take(busy int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.free.TryAcquire(1 + busy) {
		return false
	}
	c.free.Release(busy)
	return true
}

// readyWorkers counts the workers of the machine that are ready, and sums what all last
// reported to run.
func (m *Machine) readyWorkers(ctx context.Context) (ready, busy int, err error) {
	ws, err := m.backend.Fleet.Workers(ctx, Pool)
	for _, w := range ws {
		if w.Suspended { // that one is stopped, whatever it last reported
			continue
		}
		busy += w.Busy
		if w.State == platform.Ready {
			ready++
		}
	}
	return ready, busy, err
}
