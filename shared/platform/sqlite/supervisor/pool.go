package supervisor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/paragon-serving/paragon/shared/platform"
)

const (
	// retryAfter is how long after a failed attempt the next one comes, at least.
	retryAfter = time.Second
	// A worker that dies sooner than healthyAfter delays its successor, by
	// firstBackoff and twice as long each time, up to maxBackoff: one that
	// cannot live must not take the machine with it.
	healthyAfter = 30 * time.Second
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

var errRefused = errors.New("refused by an injected fault")

// pool keeps the desired number of workers in one pool.
type pool struct {
	Pool
	s *Supervisor

	mu       sync.Mutex // guards what follows
	workers  map[string]*worker
	failures int // workers in a row that died young
}

// watch reconciles on every change, and again a while after an attempt that failed.
func (p *pool) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		changed := p.s.opts.Wanted.FleetChanged()
		if err := p.reconcile(ctx); err != nil {
			p.s.opts.Logger.Warn("workers are missing", "pool", p.Name, "error", err)
			if !p.s.sleep(max(retryAfter, p.s.opts.BootDelay)) {
				return
			}
			continue
		}
		select {
		case <-changed:
		case <-p.s.quit:
			return
		}
	}
}

// sleep returns false when the supervisor is stopped meanwhile.
func (s *Supervisor) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.quit:
		return false
	}
}

// reconcile launches what is missing and lets go of who was declared dead.
func (p *pool) reconcile(ctx context.Context) error {
	o := &p.s.opts
	desired, err := o.Wanted.Desired(ctx, p.Name)
	if err != nil {
		return fmt.Errorf("read the desired number of workers: %w", err)
	}
	leaving, err := o.Wanted.Draining(ctx, p.Name)
	if err != nil {
		return fmt.Errorf("list the draining workers: %w", err)
	}
	reports, err := o.Reporter.Workers(ctx, p.Name)
	if err != nil {
		return fmt.Errorf("list the workers: %w", err)
	}
	p.dismiss(reports)
	p.cancel(leaving)
	for range desired - staying(reports, leaving) {
		if err := p.launch(ctx); err != nil {
			return err
		}
	}
	return nil
}

// staying counts the workers that are there and not about to leave: those who
// leave are replaced while they drain, if the desired number still holds.
func staying(reports []platform.WorkerReport, leaving []string) int {
	n := 0
	for _, r := range reports {
		if r.State != platform.Draining && !slices.Contains(leaving, r.ID) {
			n++
		}
	}
	return n
}

// dismiss ends workers of ours that others declared dead: their messages
// have gone to others, and a process that hangs must not stay.
func (p *pool) dismiss(reports []platform.WorkerReport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, w := range p.workers {
		if !slices.ContainsFunc(reports, func(r platform.WorkerReport) bool { return r.ID == id }) {
			w.dismiss()
		}
	}
}

// cancel lets go of workers that are to leave and whose machine is not up yet:
// there is nobody who could leave by their own hand.
func (p *pool) cancel(leaving []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range leaving {
		if w := p.workers[id]; w != nil && !w.started.Load() {
			w.dismiss()
		}
	}
}

// launch writes a worker down as booting and begins its life.
func (p *pool) launch(ctx context.Context) error {
	fault := p.s.nextFault()
	if fault.LaunchFails {
		err := p.s.opts.Roster.LaunchFailed(ctx, p.Name, errRefused.Error())
		return fmt.Errorf("launch a worker: %w", errors.Join(errRefused, err))
	}
	now := p.s.opts.Now()
	id, err := ulid.New(ulid.Timestamp(now), rand.Reader)
	if err != nil {
		return fmt.Errorf("name a worker: %w", err)
	}
	w := &worker{id: "w-" + id.String(), fault: fault, pool: p, s: p.s, dismissed: make(chan struct{}), noticed: make(chan struct{})}
	err = p.s.opts.Roster.Launch(ctx, platform.WorkerReport{
		ID: w.id, Pool: p.Name, InstanceType: p.InstanceType, State: platform.Booting, At: now, Runners: p.Runners, Paced: p.s.opts.Paced,
	})
	if err != nil {
		return fmt.Errorf("launch a worker: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers[w.id] = w
	delay := max(p.s.opts.BootDelay, p.backoff()) + fault.SlowBoot
	p.s.running.Go(func() { w.live(delay) })
	return nil
}

// backoff is the least boot delay after workers that died young. The caller holds the lock.
func (p *pool) backoff() time.Duration {
	if p.failures == 0 {
		return 0
	}
	return min(firstBackoff<<min(p.failures-1, 16), maxBackoff)
}

// worker returns the worker of an id; nil when it is not there.
func (p *pool) worker(id string) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers[id]
}

// ended takes a worker out that has ended and was marked as gone.
func (p *pool) ended(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.workers, w.id)
}

// count remembers how a worker's process ended, before anyone replaces it.
func (p *pool) count(lived time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && lived < healthyAfter {
		p.failures++
	} else {
		p.failures = 0
	}
}
