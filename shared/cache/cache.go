// Package cache keeps a value that takes a call over the network to fetch, for
// many callers: one fetch at a time, however many ask, and nobody waits for it
// who can go on with the value of before.
package cache

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Options are what a cache is made of.
type Options[T any] struct {
	// Fetch returns the value anew. It has a context of its own, which ends after
	// Timeout and not with a caller's. It is never run twice at once.
	Fetch func(ctx context.Context) (T, error)
	// TTL is for how long a value is fresh. A staler one is given out while it is
	// fetched anew.
	TTL func(T) time.Duration
	// MaxAge is after how long without a fetch a value is too old to go on with, as
	// in a process that had nothing to do or was frozen: callers wait for the next
	// fetch. Nil means never. A source that fails has nobody wait.
	MaxAge func() time.Duration
	// Timeout bounds a fetch.
	Timeout time.Duration
	Now     func() time.Time
}

// Cache holds the last value. Its methods may be called from many goroutines.
type Cache[T any] struct {
	o      Options[T]
	flight singleflight.Group
	going  sync.WaitGroup // fetches

	mu      sync.Mutex // guards what follows
	value   T
	err     error     // of the last fetch
	good    bool      // a fetch succeeded once
	triedAt time.Time // when a fetch last ended, well or not; zero before the first
	old     bool      // to be fetched again whatever its age
}

// New returns an empty cache.
func New[T any](o Options[T]) *Cache[T] { return &Cache[T]{o: o} }

// Get returns the value. A fresh one at once; a stale one at once too, while one
// fetch goes on behind it. Callers wait for the fetch, or for the end of their
// ctx, when there is no value yet or none was fetched for MaxAge. A fetch that fails
// is tried again after the TTL, and not by every caller: meanwhile the last value
// stands, and without one its error.
func (c *Cache[T]) Get(ctx context.Context) (T, error) {
	due, wait := c.due()
	if !due {
		return c.last()
	}
	if !wait {
		value, err := c.last() // before the fetch begins: what a caller gets does not depend on how fast it is
		c.refresh(ctx)
		return value, err
	}
	return c.join(ctx)
}

// Newest is Get for a caller who cannot go on with a stale value: it waits for the fetch
// that is due or goes on, or for the end of its ctx.
func (c *Cache[T]) Newest(ctx context.Context) (T, error) {
	if due, _ := c.due(); !due {
		return c.last()
	}
	return c.join(ctx)
}

// join waits for a fetch.
func (c *Cache[T]) join(ctx context.Context) (T, error) {
	select {
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	case <-c.refresh(ctx):
		return c.last()
	}
}

// Peek returns the last value without fetching any; the zero value before the
// first.
func (c *Cache[T]) Peek() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// Expire has the next Get fetch behind the value that it returns.
func (c *Cache[T]) Expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.old = true
}

// Settle waits for the fetch that goes on, if one does: in a process that may be
// frozen, before a request ends.
func (c *Cache[T]) Settle() { c.going.Wait() }

// last is the last value, or why there is none.
func (c *Cache[T]) last() (T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.good {
		return c.value, c.err
	}
	return c.value, nil
}

// due says whether a fetch is to be made, and whether callers wait for it.
func (c *Cache[T]) due() (due, wait bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.o.Now()
	switch {
	case c.triedAt.IsZero():
		return true, true
	case c.o.MaxAge != nil && now.Sub(c.triedAt) >= c.o.MaxAge():
		return true, true
	}
	return c.old || now.Sub(c.triedAt) >= c.o.TTL(c.value), !c.good
}

// refresh has one fetch made, and returns the channel that reports its end.
func (c *Cache[T]) refresh(ctx context.Context) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx) // it is for all callers: one that leaves does not end it
	c.going.Add(1)
	done := make(chan singleflight.Result, 1)
	fetched := c.flight.DoChan("", func() (any, error) {
		if due, _ := c.due(); due { // another may have ended since this caller saw that one is
			c.fetch(ctx)
		}
		return nil, nil
	})
	go func() {
		defer c.going.Done()
		done <- <-fetched
	}()
	return done
}

func (c *Cache[T]) fetch(ctx context.Context) {
	c.mu.Lock()
	c.old = false // what changes from here on may be missed
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	v, err := c.o.Fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.triedAt, c.err = c.o.Now(), err
	if err == nil {
		c.value, c.good = v, true
	}
}
