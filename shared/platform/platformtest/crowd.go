package platformtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

var crowdCases = []contractCase{
	{"a crowd finishes every query exactly once", anyBackend, crowd},
}

const (
	producers = 4
	each      = 25 // queries of a producer
	consumers = 6
)

// wins counts the ends that won, by query.
type wins struct {
	sync.Mutex
	won  map[string]int
	ends int
}

// name returns another name for each end.
func (w *wins) name() string {
	w.Lock()
	defer w.Unlock()
	w.ends++
	return fmt.Sprint("w", w.ends)
}

// crowd lets consumers that forget, release and move what they hold work on
// what producers send.
func crowd(t *testing.T, s *suite) {
	ctx, stop := context.WithCancel(t.Context())
	sum := &wins{won: map[string]int{}}
	var working sync.WaitGroup
	for i := range consumers {
		working.Go(func() {
			q := []platform.QueueName{strictQueue, strictQueue, platform.Overflow}[i%3]
			s.consume(ctx, t, q, rand.New(rand.NewPCG(uint64(i), 1)), sum)
		})
	}
	for _, id := range s.produce(ctx, t) {
		r, err := s.Backend.Records.AwaitRecord(ctx, id)
		if err != nil || r.State != query.Succeeded || r.Outcome.Result.Label != id {
			t.Errorf("query %s has the record %+v, %v", id, r, err)
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

// produce sends queries from several goroutines and returns their ids.
func (s *suite) produce(ctx context.Context, t *testing.T) (all []string) {
	var ids [producers][]string
	var producing sync.WaitGroup
	for p := range producers {
		producing.Go(func() {
			for range each {
				m, err := signedMessage(signed.Stored, "ann", time.Now())
				if err == nil {
					err = s.Backend.Queues.Send(ctx, strictQueue, m)
				}
				if err != nil {
					t.Error(err)
					continue
				}
				ids[p] = append(ids[p], m.ID)
			}
		})
	}
	producing.Wait()
	return slices.Concat(ids[:]...)
}

// consume works until ctx ends; what it does with a message is drawn.
func (s *suite) consume(ctx context.Context, t *testing.T, q platform.QueueName, draw *rand.Rand, sum *wins) {
	for ctx.Err() == nil {
		ds, err := s.Backend.Queues.Receive(ctx, q, 3, s.Lease, 10*s.Lease)
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
		for _, d := range ds {
			var err error
			switch draw.IntN(6) {
			case 0: // it dies: the lease brings the message back
			case 1:
				err = s.Backend.Queues.Release(ctx, d)
			case 2:
				err = s.Backend.Queues.Move(ctx, d, platform.Overflow, d.Message)
			default:
				err = s.finish(ctx, d, sum)
			}
			if err != nil && ctx.Err() == nil && !errors.Is(err, platform.ErrLeaseLost) {
				t.Error(err)
			}
		}
	}
}

func (s *suite) finish(ctx context.Context, d platform.Delivery, sum *wins) error {
	o := succeeded(d.Message.ID)
	o.RanOn.Name = sum.name() // no two ends are the same record
	// Who waits for the record may learn of it, and end ctx, before its put returns.
	r, won, err := s.Backend.Records.PutRecord(context.WithoutCancel(ctx), d.Message.Ended(o))
	if err != nil {
		return err
	}
	if r.State != query.Succeeded || r.ID != d.Message.ID {
		return fmt.Errorf("finished %s is held as %s in state %s", d.Message.ID, r.ID, r.State)
	}
	if won {
		sum.Lock()
		sum.won[d.Message.ID]++
		sum.Unlock()
	}
	return s.Backend.Queues.Delete(ctx, d)
}
