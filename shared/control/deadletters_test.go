package control_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
)

// letter puts a message among the dead letters, and returns it.
func (r *rig) letter(owner string) query.Message {
	r.Helper()
	keys, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		r.Fatal(err)
	}
	now := time.Now()
	id, err := signed.NewID(rand.Reader, signed.Stored, owner, now, now.Add(time.Minute), now.Add(time.Hour))
	if err != nil {
		r.Fatal(err)
	}
	m := query.Message{ID: keys.SignID(id), Owner: owner, Attempts: 1, AcceptedAt: now, ExpiresAt: id.ExpiresAt, ForgetAt: id.ForgetAt}
	if err := r.Queues.Send(r.Context(), platform.DeadLetters, m); err != nil {
		r.Fatal(err)
	}
	return m
}

func (r *rig) tick() {
	r.Helper()
	if err := r.Tick(r.Context()); err != nil {
		r.Error(err)
	}
}

// A dead letter without an end fails; one with an end keeps it. Both stay where
// they are, for others to take at once.
func TestDeadLettersWithoutAnEndFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		lost, answered := r.letter("ann"), r.letter("ben")
		if _, _, err := r.Records.PutRecord(t.Context(), answered.Ended(query.Outcome{State: query.Succeeded})); err != nil {
			t.Fatal(err)
		}
		r.tick()
		rec, err := r.Records.GetRecord(t.Context(), lost.ID)
		if err != nil || rec.State != query.Failed || rec.Outcome.Failure.Code != query.TooOften || rec.Outcome.Attempts != 1 || rec.Owner != "ann" {
			t.Errorf("record %+v, error %v", rec, err)
		}
		if rec, err := r.Records.GetRecord(t.Context(), answered.ID); err != nil || rec.State != query.Succeeded {
			t.Errorf("the answered one is %s, error %v", rec.State, err)
		}
		if d, err := r.Queues.Depth(t.Context(), platform.DeadLetters); err != nil || d.Visible != 2 {
			t.Errorf("dead letters %+v, error %v", d, err)
		}
	})
}

// Dead letters are looked through once a minute, a few at a time, until each
// has an end.
func TestDeadLettersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		var ids []string
		for range 30 {
			ids = append(ids, r.letter("ann").ID)
		}
		ended := func() int {
			states, err := r.Records.EndStates(t.Context(), ids...)
			if err != nil {
				t.Fatal(err)
			}
			return len(states)
		}
		r.tick()
		if n := ended(); n != 30 {
			t.Errorf("%d of 30 ended at the first tick", n)
		}
		ids = append(ids, r.letter("ann").ID)
		<-time.After(10 * time.Second)
		r.tick()
		if n := ended(); n != 30 {
			t.Errorf("%d ended within the minute", n)
		}
		if err := r.Queues.Delete(t.Context(), r.take()...); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		r.tick()
		if n := ended(); n != 31 {
			t.Errorf("%d of 31 ended after it", n)
		}
	})
}

// take holds ten dead letters, as a person does who puts them back.
func (r *rig) take() []platform.Delivery {
	r.Helper()
	ds, err := r.Queues.Receive(r.Context(), platform.DeadLetters, 10, time.Minute, 0)
	if err != nil {
		r.Fatal(err)
	}
	return ds
}

// awayRecords cannot be reached.
type awayRecords struct{}

func (awayRecords) PutRecord(context.Context, query.Record) (query.Record, bool, error) {
	return query.Record{}, false, platform.ErrUnavailable
}

func (awayRecords) EndStates(context.Context, ...string) (map[string]query.State, error) {
	return nil, platform.ErrUnavailable
}

// Records that are away keep no letter in hand, and no tick from deciding.
func TestDeadLettersGoBackWhenRecordsAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		r.letter("ann")
		r.Controller.Records = awayRecords{}
		if err := r.Tick(t.Context()); !errors.Is(err, platform.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		if d, err := r.Queues.Depth(t.Context(), platform.DeadLetters); err != nil || d.Visible != 1 {
			t.Errorf("dead letters %+v, error %v", d, err)
		}
		if es, err := r.DecisionLog.Entries(t.Context(), platform.EntryQuery{Pool: pool, Limit: 1}); err != nil || len(es) != 1 {
			t.Errorf("%d decisions, error %v", len(es), err)
		}
	})
}
