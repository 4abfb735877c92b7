package intake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/core/sizing"
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
	made   map[string]int       // by peer
	again  map[string]time.Time // when a peer that did not answer is offered something again
}

// failed notes that a peer did not answer, so that it is offered nothing for a while.
func (o *offers) failed(p platform.Peer, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.again == nil {
		o.again = map[string]time.Time{}
	}
	o.again[p.ID] = until
}

// to returns the peer of a pool with the most free slots, less what it was
// offered since, of those that answered; false when none has any.
func (o *offers) to(v platform.FleetView, pool, self string, now time.Time) (best platform.Peer, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.viewAt.Equal(v.At) || o.made == nil {
		o.viewAt, o.made = v.At, map[string]int{}
	}
	maps.DeleteFunc(o.again, func(_ string, at time.Time) bool { return !now.Before(at) })
	for _, p := range v.Peers {
		p.Free -= o.made[p.ID]
		if _, failed := o.again[p.ID]; failed {
			continue
		}
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
	until := s.offerUntil(q, by)
	if !until.After(s.Now()) {
		return Answer{}, false, nil
	}
	p, ok := s.offers.to(s.fleet.current(), q.pool.Name, s.Addr, s.Now())
	if !ok {
		return Answer{}, false, nil
	}
	noSlotMS := q.noSlotMS // of this worker: the choice of a route goes by it
	a, done, err := s.inRequest(ctx, q, by, func(ctx context.Context, m query.Message, by time.Time) (query.Outcome, error) {
		offered, cancel := context.WithTimeout(ctx, until.Sub(s.Now()))
		defer cancel()
		o, err := s.Peers.Answer(offered, p.Addr, m, by)
		if err == nil || ctx.Err() != nil {
			return o, err
		}
		if _, none := errors.AsType[*schedule.NoSlot](err); !none {
			s.offers.failed(p, s.Now().Add(fleet.SilentAfter(q.set)))
		}
		return o, fmt.Errorf("%w: %s: %w", errNoPeer, p.ID, err)
	})
	q.noSlotMS = noSlotMS
	if s.Counts != nil {
		s.Counts.Offered(q.need.Task, q.class, done)
	}
	return a, done, err
}

// offerUntil is until when a peer has time for a query: it may be stopped, and a function
// still keeps the bound of a strict one then.
func (s *Service) offerUntil(q *submission, by time.Time) time.Time {
	if q.class != query.Strict || !q.ask.OverflowAllowed {
		return by
	}
	afterMS, ok := sizing.KeepAfter(s.catalogue(), q.model, s.Arch, q.need, q.latencyMS, q.set.OverflowPathMS)
	at := q.m.AcceptedAt.Add(query.Duration(afterMS))
	if !ok || at.Sub(s.Now()) < query.Duration(q.ask.ServiceMS) {
		return by
	}
	return at
}

// errNoPeer says that a peer did not answer a query, so that it goes on.
var errNoPeer = errors.New("the other worker did not answer")

// current is the view that is trusted.
func (f *fleetView) current() platform.FleetView {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view
}
