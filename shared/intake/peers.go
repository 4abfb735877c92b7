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

// Peers are the other workers of the stage.
type Peers interface {
	// Answer has the worker at an address answer a query if that would end by the
	// time given; *schedule.NoSlot when it has no slot. That worker does not pass
	// the query on. After any other error it may have run, or not.
	Answer(ctx context.Context, addr string, m query.Message, by time.Time) (query.Outcome, error)
}

// offers counts what this worker offered to each peer since the view that it
// goes by, so that a list does not go to one peer alone.
type offers struct {
	mu     sync.Mutex
	viewAt time.Time
	made   map[string]int // by peer
}

// to returns the peer of a pool with the most free slots, less what it was
// offered since; false when none has any.
func (o *offers) to(v platform.FleetView, pool, self string) (best platform.Peer, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.viewAt.Equal(v.At) || o.made == nil {
		o.viewAt, o.made = v.At, map[string]int{}
	}
	for _, p := range v.Peers {
		p.Free -= o.made[p.ID]
		if p.Pool == pool && p.Addr != self && p.Free > best.Free {
			best, ok = p, true
		}
	}
	if ok {
		o.made[best.ID]++
	}
	return best, ok
}

// onPeer offers a query for which this worker has no slot in time to one peer,
// once, before it overflows: a strict one, and those of a list, which is one
// request to the load balancer however many it holds.
func (s *Service) onPeer(ctx context.Context, q *submission, by time.Time) (Answer, bool, error) {
	if s.Peers == nil || q.class != query.Strict && q.terms.Item == 0 {
		return Answer{}, false, nil
	}
	p, ok := s.offers.to(s.fleet.current(), q.pool.Name, s.Addr)
	if !ok {
		return Answer{}, false, nil
	}
	noSlotMS := q.noSlotMS // of this worker: the choice of a route goes by it
	a, done, err := s.inRequest(ctx, q, by, func(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error) {
		o, err := s.Peers.Answer(ctx, p.Addr, m, by)
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %s: %w", errNoPeer, p.ID, err)
		}
		return o, err
	})
	q.noSlotMS = noSlotMS
	if s.Counts != nil {
		s.Counts.Offered(q.need.Task, q.class, done)
	}
	return a, done, err
}

// errNoPeer says that a peer did not answer a query, so that it goes on.
var errNoPeer = errors.New("the other worker did not answer")

// current is the view that is trusted.
func (f *fleetView) current() platform.FleetView {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view
}
