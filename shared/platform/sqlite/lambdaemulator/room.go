package lambdaemulator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/process"
)

// function is a function and its environments.
type function struct {
	Function
	warm  []*environment // the longest idle first
	stats Stats
	gone  bool // another is in its place, or none: its environments end
}

// acquire takes an environment for one event of f: the one used last, else a
// new one. When there is no room left, the longest idle environment of another
// function makes some: it is killed, and the new one starts once it is gone.
func (in *Invoker) acquire(f *function) (e, evicted *environment, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, nil, fmt.Errorf("functions are shut down: %w", platform.ErrUnavailable)
	}
	in.expire(in.opts.Now())
	if last := len(f.warm) - 1; last >= 0 {
		e, f.warm = f.warm[last], f.warm[:last]
	} else {
		if len(in.environments) >= in.opts.MaxConcurrency {
			if evicted = in.longestIdle(); evicted == nil {
				f.stats.Throttles++
				return nil, nil, platform.ErrThrottled
			}
			in.discard(evicted)
		}
		e = newEnvironment(f)
		in.environments[e.sandbox] = e
		f.stats.ColdStarts++
	}
	f.stats.Invocations++
	f.stats.Busy++
	in.running.Add(1) // under the lock, so that Close waits for it
	return e, evicted, nil
}

// release takes an environment back after an event: warm, or away with it.
func (in *Invoker) release(e *environment, reusable, fault bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	e.f.stats.Busy--
	if fault {
		e.f.stats.Faults++
	}
	if _, there := in.environments[e.sandbox]; !there {
		return // its process has ended meanwhile
	}
	if !reusable || in.closed || e.f.gone {
		in.discard(e)
		return
	}
	e.idleSince = in.opts.Now()
	e.f.warm = append(e.f.warm, e)
}

// adopt gives a starting environment its process and watches for its end.
func (in *Invoker) adopt(e *environment, child *process.Child) {
	in.mu.Lock()
	defer in.mu.Unlock()
	e.child = child
	if in.closed {
		child.Kill()
	}
	in.running.Go(func() {
		<-child.Done()
		in.mu.Lock()
		defer in.mu.Unlock()
		in.discard(e)
	})
}

// discard takes an environment out and kills its process; a repeat does
// nothing. The caller holds the lock.
func (in *Invoker) discard(e *environment) {
	if _, there := in.environments[e.sandbox]; !there {
		return
	}
	delete(in.environments, e.sandbox)
	e.f.warm = slices.DeleteFunc(e.f.warm, func(w *environment) bool { return w == e })
	if in.opts.Freeze && e.extended.Load() {
		in.running.Go(func() { in.shutDown(e) })
		return
	}
	close(e.gone)
	if e.child != nil {
		e.child.Kill()
	}
}

// shutdownTime is how long a process with an internal extension has from SIGTERM on.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
const shutdownTime = 500 * time.Millisecond

// shutDown asks a process to end, and kills it when its time is over.
func (in *Invoker) shutDown(e *environment) {
	defer close(e.gone)
	e.child.Thaw()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	e.child.Stop(ctx)
}

// longestIdle returns the environment that waits the longest for an event, if
// one does. The caller holds the lock.
func (in *Invoker) longestIdle() *environment {
	var longest *environment
	for _, f := range in.order {
		if len(f.warm) > 0 && (longest == nil || f.warm[0].idleSince.Before(longest.idleSince)) {
			longest = f.warm[0]
		}
	}
	return longest
}

// expire discards what was idle for the keep-alive. The caller holds the lock.
func (in *Invoker) expire(now time.Time) {
	for _, f := range in.order {
		for len(f.warm) > 0 && now.Sub(f.warm[0].idleSince) >= in.opts.KeepAlive {
			in.discard(f.warm[0])
		}
	}
}

// expireForever expires environments of functions that nobody invokes.
func (in *Invoker) expireForever() {
	ticker := time.NewTicker(max(in.opts.KeepAlive/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			in.mu.Lock()
			in.expire(in.opts.Now())
			in.mu.Unlock()
		case <-in.quit:
			return
		}
	}
}
