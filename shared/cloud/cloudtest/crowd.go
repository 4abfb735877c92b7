package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

var crowdCases = []contractCase{
	{"a crowd finishes every query exactly once", anyHome, crowd},
}

const (
	producers = 4
	each      = 25 // queries of a producer
	consumers = 6
)

// wins counts the ends that won, by query.
type wins struct {
	sync.Mutex
	won map[string]int
}

// crowd lets consumers that forget, release and move what they hold work on
// what producers accept.
func crowd(t *testing.T, s *suite) {
	ctx, stop := context.WithCancel(t.Context())
	sum := &wins{won: map[string]int{}}
	var working sync.WaitGroup
	for i := range consumers {
		working.Go(func() {
			q := []cloud.QueueName{strictQueue, strictQueue, cloud.Overflow}[i%3]
			s.consume(ctx, t, q, rand.New(rand.NewPCG(uint64(i), 1)), sum)
		})
	}
	var producing sync.WaitGroup
	for p := range producers {
		producing.Go(func() {
			for i := range each {
				id := fmt.Sprintf("p%d-%02d", p, i)
				if _, _, err := s.Home.Store.Accept(ctx, record(id), strictQueue, message(id)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	producing.Wait()
	for p := range producers {
		for i := range each {
			r, err := s.Home.Store.Wait(ctx, fmt.Sprintf("p%d-%02d", p, i))
			if err != nil || !r.State.Terminal() {
				t.Errorf("query %s ended as %s, %v", r.ID, r.State, err)
			}
		}
	}
	stop()
	working.Wait()
	for id, n := range sum.won {
		if n != 1 {
			t.Errorf("query %s was finished %d times", id, n)
		}
	}
	if len(sum.won) != producers*each {
		t.Errorf("%d of %d queries were finished", len(sum.won), producers*each)
	}
}

// consume works until ctx ends; what it does with a message is drawn.
func (s *suite) consume(ctx context.Context, t *testing.T, q cloud.QueueName, draw *rand.Rand, sum *wins) {
	for ctx.Err() == nil {
		ds, err := s.Home.Queues.Receive(ctx, q, 3, s.Lease, 10*s.Lease)
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
		for _, d := range ds {
			var err error
			switch draw.IntN(6) {
			case 0: // it dies: the lease brings the message back
			case 1:
				err = s.Home.Queues.Release(ctx, d)
			case 2:
				err = s.Home.Queues.Move(ctx, d, cloud.Overflow, d.Message)
			default:
				err = s.finish(ctx, d, sum)
			}
			if err != nil && ctx.Err() == nil && !errors.Is(err, cloud.ErrLeaseLost) {
				t.Error(err)
			}
		}
	}
}

func (s *suite) finish(ctx context.Context, d cloud.Delivery, sum *wins) error {
	r, won, err := s.Home.Store.Finish(ctx, d.Message.ID, succeeded(d.Message.ID))
	if err != nil {
		return err
	}
	if r.State != query.Succeeded {
		return fmt.Errorf("finished %s became %s", d.Message.ID, r.State)
	}
	if won {
		sum.Lock()
		sum.won[d.Message.ID]++
		sum.Unlock()
	}
	return s.Home.Queues.Delete(ctx, d)
}
