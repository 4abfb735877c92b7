package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// mostWaiters bounds the requests that wait for a result in one process, so that
// they do not use up its memory and its connections. It is no limit of a stage's:
// in Lambda a process has one request.
const mostWaiters = 1000

// waiters counts the requests that wait for a result.
type waiters struct {
	mu    sync.Mutex
	total int
	of    map[string]int // by owner
}

// enter takes a place for an owner if there is one. One owner holds at most
// three quarters of the places (at least one), so that the others find some.
func (w *waiters) enter(owner string, most int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.total >= most || w.of[owner] >= most-most/4 {
		return false
	}
	if w.of == nil {
		w.of = map[string]int{}
	}
	w.total++
	w.of[owner]++
	return true
}

func (w *waiters) leave(owner string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total--
	if w.of[owner]--; w.of[owner] == 0 {
		delete(w.of, owner)
	}
}

// Wait returns an owner's query once it is terminal, or as it is after the
// given time, at most max_wait_seconds; one that expired meanwhile is settled by
// that. When too many wait already, and it is then false, the query is returned
// as it is.
func (s *Service) Wait(ctx context.Context, r query.Record, wait time.Duration) (query.Record, bool, error) {
	set := s.Settings()
	wait = min(wait, query.Duration(set.MaxWaitSeconds*1000))
	if r.State.Terminal() || wait <= 0 {
		return r, true, nil
	}
	if !s.waiters.enter(r.Owner, s.MostWaiters) {
		return r, false, nil
	}
	defer s.waiters.leave(r.Owner)
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	last, err := s.Records.AwaitRecord(waiting, r.ID)
	switch {
	case err == nil:
		return last, true, nil
	case ctx.Err() != nil: // the caller has left
		return r, true, fmt.Errorf("wait for query %s: %w", r.ID, ctx.Err())
	case errors.Is(err, platform.ErrNotFound) && !s.Now().Before(r.ExpiresAt):
		r, err = s.expire(ctx, r)
		return r, true, err
	case errors.Is(err, platform.ErrNotFound), waiting.Err() != nil:
		return r, true, nil
	}
	return r, true, fmt.Errorf("wait for query %s: %w", r.ID, err)
}
