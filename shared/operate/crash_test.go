package operate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

// mortal is a desk's home that dies at its nth call: before the call is done,
// or after, when only the answer is lost.
type mortal struct {
	left  int // calls until it dies
	after bool
}

// step does a call, or dies.
func (m *mortal) step(do func() error) error {
	m.left--
	switch {
	case m.left > 0:
		return do()
	case m.left == 0 && m.after:
		if err := do(); err != nil {
			return err
		}
	}
	return errDied
}

type mortalQueues struct {
	cloud.Queues
	*mortal
}

func (q mortalQueues) Receive(ctx context.Context, from cloud.QueueName, limit int, lease, wait time.Duration) (ds []cloud.Delivery, err error) {
	err = q.step(func() error { ds, err = q.Queues.Receive(ctx, from, limit, lease, wait); return err })
	return ds, err
}

func (q mortalQueues) Delete(ctx context.Context, ds ...cloud.Delivery) error {
	return q.step(func() error { return q.Queues.Delete(ctx, ds...) })
}

func (q mortalQueues) Move(ctx context.Context, d cloud.Delivery, to cloud.QueueName, m query.Message) error {
	return q.step(func() error { return q.Queues.Move(ctx, d, to, m) })
}

type mortalStore struct {
	cloud.Store
	*mortal
}

func (s mortalStore) Get(ctx context.Context, id string) (r query.Record, err error) {
	err = s.step(func() error { r, err = s.Store.Get(ctx, id); return err })
	return r, err
}

func (s mortalStore) Accept(ctx context.Context, r query.Record, to cloud.QueueName, m query.Message) (out query.Record, fresh bool, err error) {
	err = s.step(func() error { out, fresh, err = s.Store.Accept(ctx, r, to, m); return err })
	return out, fresh, err
}

// Whoever puts dead letters back may die at every step: a repeat, once the leases
// have ended, leaves each query with one message, and none among the dead letters.
func TestNothingIsLostOrDoubledAtAnyDeath(t *testing.T) {
	for _, after := range []bool{false, true} {
		for n := 1; n <= 11; n++ { // Receive, thrice Get, Get, Accept and Delete or Get, Move
			t.Run(fmt.Sprintf("call %d, after it %v", n, after), func(t *testing.T) { diesAt(t, n, after) })
		}
	}
}

func diesAt(t *testing.T, n int, after bool) {
	d := newDesk(t)
	want := map[string]bool{query.RedrivenID("q1"): true, query.RedrivenID("q2"): true, "q3": true}
	d.dead("q1", query.Strict, "general", query.Failed)
	d.dead("q2", query.Strict, "general", query.Expired)
	d.dead("q3", query.Strict, "general", "")
	whole, life := d.Home, &mortal{left: n, after: after}
	d.Home.Queues, d.Home.Store = mortalQueues{whole.Queues, life}, mortalStore{whole.Store, life}
	if _, err := d.Redrive(t.Context(), "", 10); !errors.Is(err, errDied) {
		t.Fatalf("it lived: %v", err)
	}
	d.Home = whole
	d.pass(31 * time.Second) // the leases end; the queries have not expired
	_, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	got := map[string]int{}
	for _, del := range d.take(cloud.Overflow) {
		got[del.Message.ID]++
	}
	for id := range want {
		if got[id] != 1 {
			t.Errorf("query %s has %d messages", id, got[id])
		}
	}
	if depth, err := whole.Queues.Depth(t.Context(), cloud.DeadLetters); err != nil || len(got) != len(want) || depth != (cloud.Depth{}) {
		t.Errorf("%d queries put back, dead letters %+v, error %v", len(got), depth, err)
	}
}
