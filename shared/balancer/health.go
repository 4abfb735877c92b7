package balancer

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Health says how targets are checked. A target that answers other than 200 gets
// no more requests until it does. One that does not answer at all LostAfter
// times in a row is frozen: what it has not answered goes to others.
type Health struct {
	Path      string        // GET this; empty checks nothing
	Every     time.Duration // 0 means a second
	Timeout   time.Duration // of one check; 0 means a second
	LostAfter int           // 0 means 3
	// Checked is called after each check of a target, with how many have failed in a row
	// by then: none where it is well. Optional.
	Checked func(ctx context.Context, id string, failures int)
}

func (h Health) withDefaults() Health {
	if h.Every == 0 {
		h.Every = time.Second
	}
	if h.Timeout == 0 {
		h.Timeout = time.Second
	}
	if h.LostAfter == 0 {
		h.LostAfter = 3
	}
	return h
}

// Run checks the targets until ctx ends, and returns when no check is under
// way. Without it no target is ever found unwell.
func (b *Balancer) Run(ctx context.Context) {
	if b.opts.Health.Path == "" {
		return
	}
	tick := time.NewTicker(b.opts.Health.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.checkAll(ctx)
		}
	}
}

func (b *Balancer) checkAll(ctx context.Context) {
	b.mu.Lock()
	var listening []*target
	for _, t := range b.targets {
		if t.Handler == nil {
			listening = append(listening, t)
		}
	}
	b.mu.Unlock()
	var running sync.WaitGroup
	for _, t := range listening {
		running.Go(func() { b.check(ctx, t) })
	}
	running.Wait()
}

func (b *Balancer) check(ctx context.Context, t *target) {
	limited, stop := context.WithTimeoutCause(ctx, b.opts.Health.Timeout, errTooSlow)
	defer stop()
	status, err := b.probe(limited, t)
	if ctx.Err() != nil {
		return
	}
	id, failures := b.noteCheck(t, err == nil, status)
	if b.opts.Health.Checked != nil {
		b.opts.Health.Checked(ctx, id, failures)
	}
}

// noteCheck notes how a check ended, and returns how many have failed in a row.
func (b *Balancer) noteCheck(t *target, answered bool, status int) (id string, failures int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.unwell = !answered || status != http.StatusOK
	t.misses++
	if answered {
		t.misses = 0
	}
	if t.misses > 0 {
		t.abortOverdue()
	}
	if t.misses >= b.opts.Health.LostAfter {
		t.abort()
	}
	t.failures++
	if !t.unwell {
		t.failures = 0
	}
	return t.ID, t.failures
}

// probe asks a target for its health on a connection of its own.
func (b *Balancer) probe(ctx context.Context, t *target) (int, error) {
	l, err := dial(ctx, t.addr)
	if err != nil {
		return 0, err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b.opts.Health.Path)
	answer, err := l.roundTrip(nil, []byte(head), nil)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, nil
}
