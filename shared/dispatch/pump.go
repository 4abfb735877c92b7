package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/settle"
)

const (
	pumpWait     = 5 * time.Second // one receive on an empty queue
	mostReceived = 10              // messages at once, as the queues allow
	errorPause   = 250 * time.Millisecond
)

// Pump dispatches the overflow queue until ctx ends, with as many queries at
// once as max_overflow_concurrency says, and then finishes those in progress.
// It stands for the event source that feeds the dispatcher on AWS.
func (d *Dispatcher) Pump(ctx context.Context) {
	p := pump{Dispatcher: d, ended: make(chan struct{}, 1)}
	for ctx.Err() == nil {
		n := p.free()
		if n <= 0 {
			p.await(ctx)
			continue
		}
		length := p.lease()
		ds, err := d.Queues.Receive(ctx, platform.Overflow, min(n, mostReceived), length, pumpWait)
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("could not receive", "queue", platform.Overflow, "error", err)
			_ = settle.Sleep(ctx, errorPause) // the loop sees ctx end
		}
		for _, del := range ds {
			p.begin(context.WithoutCancel(ctx), del, length)
		}
	}
	p.all.Wait()
}

// pump counts what is in progress.
type pump struct {
	*Dispatcher
	all   sync.WaitGroup
	mu    sync.Mutex
	busy  int
	ended chan struct{} // reports that one ended; holds one
}

// free returns how many more queries may run. With overflow off one at a time
// may, as far as the work queue.
func (p *pump) free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(1, p.Settings().MaxOverflowConcurrency) - p.busy
}

// await waits until a query ended, or the setting may have changed.
func (p *pump) await(ctx context.Context) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-p.ended:
	case <-t.C:
	}
}

func (p *pump) lease() time.Duration {
	return time.Duration(p.Settings().LeaseSeconds * float64(time.Second))
}

// begin dispatches one delivery. What cannot be stored comes again when its
// lease ends.
func (p *pump) begin(ctx context.Context, del platform.Delivery, length time.Duration) {
	p.mu.Lock()
	p.busy++
	p.mu.Unlock()
	p.all.Go(func() {
		held, drop := context.WithCancel(ctx)
		var keeper sync.WaitGroup
		keeper.Go(func() { p.keep(held, drop, del, length) })
		p.Handle(held, []platform.Delivery{del})
		drop()
		keeper.Wait()
		p.mu.Lock()
		p.busy--
		p.mu.Unlock()
		select {
		case p.ended <- struct{}{}:
		default:
		}
	})
}

// keep renews a delivery's lease until ctx ends, it is lost, or one lease is over since the
// query's expiry; the last drops the work. Where the lease is lost the work goes on: a
// function answers already, and of two outcomes the first that is stored stays.
func (p *pump) keep(ctx context.Context, drop context.CancelFunc, del platform.Delivery, length time.Duration) {
	until := del.Message.ExpiresAt.Add(length)
	held := true
	for settle.Sleep(ctx, length/3) == nil {
		grant := min(length, until.Sub(p.Now()))
		if grant <= 0 {
			drop()
			return
		}
		if !held {
			continue
		}
		call, cancel := context.WithTimeout(ctx, length/3)
		held = !errors.Is(p.Queues.Extend(call, del, grant), platform.ErrLeaseLost)
		cancel()
	}
}
