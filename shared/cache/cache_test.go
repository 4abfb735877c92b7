package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// source counts fetches, each of which takes a time and may fail.
type source struct {
	fetches atomic.Int64
	atOnce  atomic.Int64
	most    atomic.Int64
	takes   time.Duration
	err     error
}

func (s *source) fetch(ctx context.Context) (int64, error) {
	s.most.Store(max(s.most.Load(), s.atOnce.Add(1)))
	defer s.atOnce.Add(-1)
	n := s.fetches.Add(1)
	select {
	case <-time.After(s.takes):
		return n, s.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

const (
	ttl    = 5 * time.Second
	maxAge = time.Minute
)

func newCache(s *source) *Cache[int64] {
	return New(Options[int64]{Fetch: s.fetch, TTL: func(int64) time.Duration { return ttl }, MaxAge: func() time.Duration { return maxAge },
		Timeout: 10 * time.Second, Now: time.Now})
}

// took is how long a call takes by the bubble's clock, which stands still while
// anything runs.
func took(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func get(t *testing.T, c *Cache[int64], want int64) {
	t.Helper()
	if v, err := c.Get(t.Context()); err != nil || v != want {
		t.Errorf("value %d, error %v, want %d", v, err, want)
	}
}

// All callers wait for the first fetch, and it is one.
func TestTheFirstFetchIsWaitedForByAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 2 * time.Second}
		c := newCache(s)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if d := took(func() { get(t, c, 1) }); d != s.takes {
					t.Errorf("took %v", d)
				}
			})
		}
		all.Wait()
		if n := s.fetches.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// Nobody waits for a slow refresh, as there is something to go on with.
func TestNobodyWaitsForASlowRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 2 * time.Second}
		c := newCache(s)
		get(t, c, 1)
		<-time.After(ttl)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if d := took(func() { get(t, c, 1) }); d != 0 {
					t.Errorf("a caller waited %v for the refresh", d)
				}
			})
		}
		all.Wait()
		if d := took(c.Settle); d != s.takes {
			t.Errorf("settled after %v", d)
		}
		get(t, c, 2)
		if n := s.fetches.Load(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestAValueThatIsTooOldIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 2 * time.Second}
		c := newCache(s)
		get(t, c, 1)
		<-time.After(maxAge)
		if d := took(func() { get(t, c, 2) }); d != s.takes {
			t.Errorf("took %v", d)
		}
	})
}

// Who cannot go on with a stale value joins the fetch that goes on, and has no other made.
func TestTheNewestValueIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: time.Second}
		c := newCache(s)
		newest := func(ctx context.Context, want int64) {
			t.Helper()
			if v, err := c.Newest(ctx); (err == nil) != (want > 0) || v != want {
				t.Errorf("value %d, error %v, want %d", v, err, want)
			}
		}
		newest(t.Context(), 1)
		if d := took(func() { newest(t.Context(), 1) }); d != 0 {
			t.Errorf("a fresh value took %v", d)
		}
		<-time.After(ttl)
		get(t, c, 1) // and fetches behind
		if d := took(func() { newest(t.Context(), 2) }); d != s.takes || s.fetches.Load() != 2 {
			t.Errorf("the fetch that went on took %v, with %d fetches", d, s.fetches.Load())
		}
		<-time.After(ttl)
		hurried, cancel := context.WithTimeout(t.Context(), s.takes/2)
		defer cancel()
		newest(hurried, 0)
		c.Settle()
	})
}

// A fetch that fails leaves the last value, and is tried again after the TTL.
func TestAFailedFetchLeavesTheLastValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		c := newCache(s)
		get(t, c, 1)
		s.err = errors.New("down")
		<-time.After(2 * maxAge)
		for range 3 {
			get(t, c, 1)
		}
		if n := s.fetches.Load(); n != 2 {
			t.Errorf("%d fetches, and one was to fail", n)
		}
		s.err = nil
		<-time.After(ttl)
		get(t, c, 1)
		c.Settle()
		get(t, c, 3)
	})
}

func TestWithoutAValueTheErrorIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{err: errors.New("down")}
		c := newCache(s)
		for range 2 { // the second by what the first found
			if _, err := c.Get(t.Context()); !errors.Is(err, s.err) {
				t.Errorf("error %v", err)
			}
		}
		if n := s.fetches.Load(); n != 1 {
			t.Errorf("%d fetches within the TTL", n)
		}
		s.err = nil
		<-time.After(ttl)
		get(t, c, 2)
	})
}

// A caller that leaves waits no longer, and takes nothing from the others.
func TestACallerThatLeavesEndsNoFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: 2 * time.Second}
		c := newCache(s)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if d := took(func() {
			if _, err := c.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}); d != time.Second {
			t.Errorf("left after %v", d)
		}
		get(t, c, 1)
	})
}

func TestAFetchThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(&source{takes: time.Hour})
		if d := took(func() {
			if _, err := c.Get(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		}); d != 10*time.Second {
			t.Errorf("ended after %v", d)
		}
	})
}

func TestExpireHasItFetchedBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{takes: time.Second}
		c := newCache(s)
		get(t, c, 1)
		c.Expire()
		get(t, c, 1)
		c.Settle()
		get(t, c, 2)
		if c.Peek() != 2 {
			t.Errorf("peeked %d", c.Peek())
		}
	})
}

// The caller who asks whenever: never two fetches at once, a value is never older than
// it may be, and no caller waits longer than one fetch.
func TestCacheInvariants(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			s := &source{takes: time.Duration(random.IntN(10)) * time.Second}
			c := newCache(s)
			var all sync.WaitGroup
			for range 1 + random.IntN(20) {
				<-time.After(time.Duration(random.IntN(40)) * time.Second)
				all.Go(func() {
					if d := took(func() { _, _ = c.Get(t.Context()) }); d > s.takes {
						t.Errorf("seed %d: waited %v for a fetch of %v", seed, d, s.takes)
					}
					c.mu.Lock()
					defer c.mu.Unlock()
					if age := time.Since(c.triedAt); age > maxAge {
						t.Errorf("seed %d: a value of %v was given out", seed, age)
					}
				})
			}
			all.Wait()
			c.Settle()
			if n := s.most.Load(); n > 1 {
				t.Errorf("seed %d: %d fetches at once", seed, n)
			}
		})
	}
}
