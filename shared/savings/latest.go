package savings

import (
	"context"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
)

// Latest keeps the newest comparison of a stage that runs.
type Latest struct {
	mu   sync.Mutex // guards what follows
	last api.Savings
}

// Now is the newest comparison.
func (l *Latest) Now() *api.Savings {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.last
	return &last
}

// Set makes s the newest comparison.
func (l *Latest) Set(s api.Savings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = s
}

// Keep compares again and again until run ends. Pause is how long it waits after a
// comparison that took a time.
func (l *Latest) Keep(run context.Context, compare func(context.Context, time.Time) api.Savings, pause func(took time.Duration) time.Duration) {
	for run.Err() == nil {
		began := time.Now()
		l.Set(compare(run, began))
		timer := time.NewTimer(pause(time.Since(began)))
		select {
		case <-run.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}
