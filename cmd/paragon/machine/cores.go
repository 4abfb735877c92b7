package machine

import (
	"context"
	"fmt"
	"sync"

	"github.com/paragon-serving/paragon/shared/platform"
)

// coreBound lets a function run only on a core that no worker's run and no other
// function has: on one machine a lack of processor time is not answered by taking
// more of it. What finds no core is refused as by a throttle, and falls back to
// the workers. It is for machines that are not paced: paced runs mostly wait.
type coreBound struct {
	platform.Invoker
	cores int
	// busy returns how many runs the workers have under way, as they last reported.
	busy func(context.Context) (int, error)

	mu      sync.Mutex
	running int // functions
}

// Invoke implements platform.Invoker.
func (c *coreBound) Invoke(ctx context.Context, function string, payload []byte) (platform.Invocation, error) {
	busy, err := c.busy(ctx)
	if err != nil {
		return platform.Invocation{}, fmt.Errorf("count the inferences in progress on workers, before function %s runs: %w: %w", function, platform.ErrThrottled, err)
	}
	if !c.take(busy) {
		return platform.Invocation{}, fmt.Errorf("function %s: none of %d cores is free: %w", function, c.cores, platform.ErrThrottled)
	}
	defer c.release()
	return c.Invoker.Invoke(ctx, function, payload)
}

// take takes a core while so many runs of workers are in progress, if one is free.
func (c *coreBound) take(busy int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if busy+c.running >= c.cores {
		return false
	}
	c.running++
	return true
}

func (c *coreBound) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
}

// busyRunners sums what the workers of the machine last reported to run.
func (m *Machine) busyRunners(ctx context.Context) (int, error) {
	ws, err := m.backend.Fleet.Workers(ctx, Pool)
	busy := 0
	for _, w := range ws {
		if !w.Suspended { // that one is stopped, whatever it last reported
			busy += w.Busy
		}
	}
	return busy, err
}
