package admin_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// mortal is an admin service's backend that dies at its nth call: before the call is done,
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
	platform.Queues
	*mortal
}

func (q mortalQueues) Receive(ctx context.Context, from platform.QueueName, limit int, lease, wait time.Duration) (ds []platform.Delivery, err error) {
	err = q.step(func() error { ds, err = q.Queues.Receive(ctx, from, limit, lease, wait); return err })
	return ds, err
}

func (q mortalQueues) Delete(ctx context.Context, ds ...platform.Delivery) error {
	return q.step(func() error { return q.Queues.Delete(ctx, ds...) })
}

func (q mortalQueues) Move(ctx context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error {
	return q.step(func() error { return q.Queues.Move(ctx, d, to, m) })
}

type mortalRecords struct {
	platform.Records
	*mortal
}

func (s mortalRecords) GetRecord(ctx context.Context, id string) (r query.Record, err error) {
	err = s.step(func() error { r, err = s.Records.GetRecord(ctx, id); return err })
	return r, err
}

func (s mortalRecords) PutRecord(ctx context.Context, r query.Record) (held query.Record, won bool, err error) {
	err = s.step(func() error { held, won, err = s.Records.PutRecord(ctx, r); return err })
	return held, won, err
}

type mortalAttempts struct {
	platform.Attempts
	*mortal
}

func (a mortalAttempts) ReserveKey(ctx context.Context, at platform.Attempt) (held platform.Attempt, won bool, err error) {
	err = a.step(func() error { held, won, err = a.Attempts.ReserveKey(ctx, at); return err })
	return held, won, err
}

// errDied is the end of a process.
var errDied = errors.New("died")

// The process that puts dead letters back may die at every step: a repeat, once the leases
// have ended, leaves each query with one message, and none among the dead letters.
func TestNothingIsLostOrDoubledAtAnyDeath(t *testing.T) {
	for _, after := range []bool{false, true} {
		n := 1
		for diesAt(t, n, after) {
			n++
		}
		if n < 12 { // Receive, and of three letters GetRecord, ClaimKey and Move, and PutRecord of one
			t.Errorf("it lived from step %d on", n)
		}
	}
}

// diesAt has the process that puts letters back die at a step; false when it was done before.
func diesAt(t *testing.T, n int, after bool) bool {
	t.Helper()
	d := newFixture(t)
	want := map[string]bool{d.dead(query.Strict, "general", query.Failed).ID: true, d.dead(query.Strict, "general", query.Expired).ID: true,
		d.dead(query.Strict, "general", "").ID: true}
	whole, life := d.Backend, &mortal{left: n, after: after}
	d.Backend.Queues, d.Backend.Records, d.Backend.Attempts = mortalQueues{whole.Queues, life}, mortalRecords{whole.Records, life}, mortalAttempts{whole.Attempts, life}
	_, err := d.Redrive(t.Context(), "", 10)
	if err != nil && !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	died := life.left <= 0
	d.Backend = whole
	d.pass(31 * time.Second) // the leases end; the queries have not expired
	_, err = d.Redrive(t.Context(), "", 10)
	d.must(err)
	got := map[string]int{}
	for _, del := range d.take(platform.Overflow) {
		got[del.Message.RetryOf]++
	}
	for id := range want {
		if got[id] != 1 {
			t.Errorf("dying at call %d, after it %v: query %s has %d messages", n, after, id, got[id])
		}
	}
	if depth, err := whole.Queues.Depth(t.Context(), platform.DeadLetters); err != nil || len(got) != len(want) || depth != (platform.Depth{}) {
		t.Errorf("dying at call %d, after it %v: %d queries put back, dead letters %+v, error %v", n, after, len(got), depth, err)
	}
	return died
}
