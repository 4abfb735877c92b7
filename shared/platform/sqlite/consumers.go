package sqlite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/paragon-serving/paragon/shared/platform"
)

// consumers knows who may reach the backend over loopback, and who was declared dead.
type consumers struct {
	mu       sync.Mutex
	bySecret map[[sha256.Size]byte]*visitor
	dead     map[string]bool
	hanging  map[string]bool // live, and do not answer
	passed   map[string]bool // may not answer: get no lease, and keep those that they have
	leases   atomic.Int64
	givenUp  givenUp
}

// maxGivenUp bounds what is kept of receives that were given up: many times
// what can be under way at once.
const maxGivenUp = 4096

// givenUp are the receives whose callers left, the latest maxGivenUp of them.
// The server sees a connection's end some time after the caller has left, and
// the receive that waits on it must lease nothing until then.
type givenUp struct {
	known map[receiveID]bool
	order []receiveID
}

// receiveID is who receives, under which lease number.
type receiveID struct {
	consumer string
	number   int64
}

// giveUp has a receive lease nothing from now on, be it under way or yet to come.
func (c *consumers) giveUp(r receiveID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := &c.givenUp
	if g.known == nil {
		g.known = map[receiveID]bool{}
	}
	if g.known[r] {
		return
	}
	g.known[r] = true
	g.order = append(g.order, r)
	if len(g.order) > maxGivenUp {
		delete(g.known, g.order[0])
		g.order = g.order[1:]
	}
}

func (c *consumers) gaveUp(r receiveID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.givenUp.known[r]
}

// visitor is a child that reaches the backend over loopback.
type visitor struct {
	name string
	ctx  context.Context // ends when its secret dies
	end  context.CancelFunc
}

// Register lets a child reach the backend over loopback under a consumer's name
// (a worker's id, or a function's name) and returns its secret of 128 bits,
// which is part of the URL that the child gets. It dies with Unregister and
// MarkGone of that name.
func (h *Backend) Register(consumer string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	secret := base64.RawURLEncoding.EncodeToString(b[:])
	ctx, end := context.WithCancel(context.Background())
	c := &h.consumers
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bySecret == nil {
		c.bySecret = map[[sha256.Size]byte]*visitor{}
	}
	c.bySecret[sha256.Sum256([]byte(secret))] = &visitor{name: consumer, ctx: ctx, end: end}
	return secret
}

// Unregister ends every secret of a consumer and the calls that it has under way.
func (h *Backend) Unregister(consumer string) {
	c := &h.consumers
	c.mu.Lock()
	defer c.mu.Unlock()
	for sum, v := range c.bySecret {
		if v.name == consumer {
			delete(c.bySecret, sum)
			v.end()
		}
	}
}

// visitor finds who has a secret. It looks a digest up, so that the time it
// takes reveals nothing of the secrets there are.
func (c *consumers) visitor(secret string) (*visitor, bool) {
	sum := sha256.Sum256([]byte(secret))
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.bySecret[sum]
	return v, ok
}

// bury declares a consumer dead: it gets no lease any more.
func (c *consumers) bury(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead == nil {
		c.dead = map[string]bool{}
	}
	c.dead[name] = true
	delete(c.hanging, name)
	delete(c.passed, name)
}

// passOver has a consumer get no lease until suspend is called.
func (c *consumers) passOver(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead[name] {
		return
	}
	if c.passed == nil {
		c.passed = map[string]bool{}
	}
	c.passed[name] = true
}

// suspend has a consumer get no lease until it is resumed, or again.
func (c *consumers) suspend(name string, suspended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hanging == nil {
		c.hanging = map[string]bool{}
	}
	delete(c.passed, name)
	if suspended && !c.dead[name] {
		c.hanging[name] = true
	} else {
		delete(c.hanging, name)
	}
}

func (c *consumers) suspended(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hanging[name]
}

func (c *consumers) check(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead[name] {
		return fmt.Errorf("consumer %s: %w", name, platform.ErrRevoked)
	}
	if c.hanging[name] || c.passed[name] {
		return fmt.Errorf("consumer %s does not answer: %w", name, platform.ErrUnavailable)
	}
	return nil
}

// nextLease numbers the leases of this run. Those of former runs were released.
func (c *consumers) nextLease() int64 { return c.leases.Add(1) }
