// Package callbacks sends the callbacks of ended queries: signed, to the hosts that the
// operator listed, and again with growing waits until they arrive or their time is over.
// A callback may arrive more than once.
package callbacks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paragon-serving/paragon/shared/core/callback"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Store keeps the callbacks that are owed.
type Store interface {
	CallbacksChanged() <-chan struct{}
	DueCallbacks(ctx context.Context, now time.Time, without []string, limit int) ([]platform.Callback, error)
	RetryCallback(ctx context.Context, c platform.Callback) error
	EndCallback(ctx context.Context, id string) error
}

// Records gives the record of an ended query.
type Records interface {
	GetRecord(ctx context.Context, id string) (query.Record, error)
}

// Options are what a Sender works with; all are required.
type Options struct {
	Caller
	Store   Store
	Records Records
}

const (
	// mostCalls and mostOfHost bound the calls under way, in all and to one host: a slow
	// one must not hold up the others.
	mostCalls, mostOfHost = 16, 4
	// pollEvery is how often calls that were put off are read.
	pollEvery = time.Second
	// mostDue bounds the due callbacks that are read at once: more than are under way, so
	// that there is always one that is not.
	mostDue = 4 * mostCalls
)

// Sender sends callbacks. Create it with New.
type Sender struct {
	Options
	arrived, givenUp atomic.Int64
	ended            chan string // the id of a call that is over

	// Of Run's goroutine alone.
	underWay map[string]string // hosts by id
	ofHost   map[string]int
}

// New returns a Sender.
func New(o Options) *Sender {
	return &Sender{Options: o, ended: make(chan string, mostCalls), underWay: map[string]string{}, ofHost: map[string]int{}}
}

// Arrived and GivenUp count the callbacks since the start.
func (s *Sender) Arrived() int64 { return s.arrived.Load() }

// GivenUp counts those whose time was over, or that may not be sent any more.
func (s *Sender) GivenUp() int64 { return s.givenUp.Load() }

// Run sends what falls due until ctx ends, and waits for what is under way.
func (s *Sender) Run(ctx context.Context) {
	var calls sync.WaitGroup
	defer calls.Wait()
	again := time.NewTicker(pollEvery)
	defer again.Stop()
	for {
		changed := s.Store.CallbacksChanged()
		s.start(ctx, &calls)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again.C:
		case id := <-s.ended:
			s.over(id)
		}
	}
}

// over takes a call off those under way.
func (s *Sender) over(id string) {
	host := s.underWay[id]
	delete(s.underWay, id)
	if s.ofHost[host]--; s.ofHost[host] == 0 {
		delete(s.ofHost, host)
	}
}

// start begins the calls that are due and have a place.
func (s *Sender) start(ctx context.Context, calls *sync.WaitGroup) {
	for len(s.underWay) < mostCalls {
		due, err := s.Store.DueCallbacks(ctx, s.Now(), s.full(), mostDue)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Warn("could not read the callbacks that are due", "error", err)
			}
			return
		}
		if s.begin(ctx, calls, due) == 0 || len(due) < mostDue {
			return
		}
	}
}

// full are the hosts that have as many calls under way as they may.
func (s *Sender) full() (out []string) {
	for host, n := range s.ofHost {
		if n >= mostOfHost {
			out = append(out, host)
		}
	}
	return out
}

// begin begins those of some calls that have a place, and counts them.
func (s *Sender) begin(ctx context.Context, calls *sync.WaitGroup, due []platform.Callback) (begun int) {
	for _, c := range due {
		host := callback.HostOf(c.URL)
		if _, running := s.underWay[c.ID]; running || s.ofHost[host] >= mostOfHost {
			continue
		}
		if len(s.underWay) >= mostCalls {
			return begun
		}
		s.underWay[c.ID] = host
		s.ofHost[host]++
		begun++
		calls.Go(func() {
			s.send(ctx, c)
			s.ended <- c.ID // it has room for all of them
		})
	}
	return begun
}

// send makes one try, and notes what came of it. One whose note fails is due again.
func (s *Sender) send(ctx context.Context, c platform.Callback) {
	r, err := s.Records.GetRecord(ctx, c.ID)
	if errors.Is(err, platform.ErrNotFound) {
		err = fmt.Errorf("the query is no longer stored: %w", errFinal)
	}
	if err == nil {
		err = s.call(ctx, c, r)
	}
	if ctx.Err() != nil { // it stays due
		return
	}
	next, became := s.after(c, err)
	if became == again {
		s.note(c, s.Store.RetryCallback(ctx, next))
		return
	}
	if became == arrived {
		s.arrived.Add(1)
	} else {
		s.givenUp.Add(1)
	}
	s.note(c, s.Store.EndCallback(ctx, c.ID))
}

func (s *Sender) note(c platform.Callback, err error) {
	if err != nil {
		s.Log.Warn("could not store the result of a callback; the callback will be sent again", "query", c.ID, "error", err)
	}
}
