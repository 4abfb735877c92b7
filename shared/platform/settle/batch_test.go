package settle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// bins is a queue that deletes only when it is let, and keeps the batches.
type bins struct {
	let     chan error
	batches [][]string
}

func (b *bins) Delete(_ context.Context, ds ...platform.Delivery) error {
	err := <-b.let
	var ids []string
	for _, d := range ds {
		ids = append(ids, d.Message.ID)
	}
	b.batches = append(b.batches, ids)
	return err
}

func (b *bins) Move(context.Context, platform.Delivery, platform.QueueName, query.Message) error {
	return errors.New("nothing moves here")
}

func named(id int) platform.Delivery {
	return platform.Delivery{Message: query.Message{ID: fmt.Sprint(id)}}
}

// A lone message goes at once; those that come while its request is under way
// go together, at most ten a request, each once.
func TestMessagesAreDeletedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &bins{let: make(chan error)}
		var b batcher
		var wg sync.WaitGroup
		for i := range 26 {
			wg.Go(func() {
				if err := b.delete(t.Context(), q, named(i)); err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			})
			synctest.Wait() // so that the first one's request is alone
		}
		for range 4 {
			q.let <- nil
		}
		wg.Wait()
		seen := map[string]int{}
		for _, batch := range q.batches {
			for _, id := range batch {
				seen[id]++
			}
		}
		if len(q.batches) != 4 || len(q.batches[0]) != 1 || len(q.batches[1]) != batchMost || len(q.batches[3]) != 5 {
			t.Errorf("batches %v", q.batches)
		}
		for i := range 26 {
			if seen[fmt.Sprint(i)] != 1 {
				t.Errorf("message %d was deleted %d times", i, seen[fmt.Sprint(i)])
			}
		}
	})
}

// Everyone of a failed request learns of it, nobody else, and a caller whose
// time is over does not wait for it.
func TestAFailedRequestIsReportedToItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &bins{let: make(chan error)}
		var b batcher
		broken := errors.New("broken")
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- b.delete(t.Context(), q, named(1)) }()
		synctest.Wait()
		go func() { second <- b.delete(t.Context(), q, named(2)) }()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.delete(over, q, named(3)); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller whose time is over: %v", err)
		}
		synctest.Wait()
		q.let <- broken
		q.let <- nil
		if err := <-first; !errors.Is(err, broken) {
			t.Errorf("the failed request's caller: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the next request's caller: %v", err)
		}
	})
}
