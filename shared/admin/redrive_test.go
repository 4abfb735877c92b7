package admin_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/signed"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// operations is an admin service at a backend on one machine, without anybody who takes queries.
type operations struct {
	*admin.Service
	*testing.T
	start time.Time
	later atomic.Int64 // nanoseconds passed since
}

// keys sign the ids of these tests.
var keys = func() signed.Keys {
	k, err := signed.NewKeys([]byte("the key of this test's stage"))
	if err != nil {
		panic(err) // it is long enough
	}
	return k
}()

func newFixture(t *testing.T) *operations {
	t.Helper()
	d := &operations{T: t, start: time.Now()}
	backend, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.Options{Now: d.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { backend.Close() })
	h := backend.Platform()
	d.Service = &admin.Service{Backend: h, Tuned: admin.Read(h.Settings), Pools: []string{"general", "large"}, Now: d.now,
		Keys: func(context.Context) (signed.Keys, error) { return keys, nil }, Random: rand.Reader}
	return d
}

func (d *operations) now() time.Time { return d.start.Add(time.Duration(d.later.Load())) }

func (d *operations) pass(t time.Duration) { d.later.Add(int64(t)) }

func (d *operations) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// dead makes a dead letter, and the record of its query with a state; an empty
// one leaves the query unfinished.
func (d *operations) dead(class query.Class, pool string, state query.State) query.Message {
	d.Helper()
	now := d.now()
	id, err := signed.NewID(rand.Reader, signed.Stored, "anna", now, now.Add(time.Minute), now.Add(time.Hour))
	d.must(err)
	m := query.Message{
		ID: keys.SignID(id), Owner: "anna", Task: "t", Model: "m", Class: class, Need: query.Need{Task: "t", Constraints: query.Constraints{Accuracy: 80}},
		AcceptedAt: now, DeadlineAt: now.Add(500 * time.Millisecond), ExpiresAt: now.Add(time.Minute), ForgetAt: now.Add(time.Hour),
		Input: query.Input{ContentType: "image/png", Data: []byte("picture")}, Attempts: 3, Pinned: true, Placement: string(platform.WorkQueue(pool, class)),
	}
	m.Trail = query.Trail{{Event: query.StepPlaced, Where: m.Placement}}
	if state != "" {
		d.end(m, state)
	}
	d.must(d.Backend.Queues.Send(d.Context(), platform.DeadLetters, m))
	return m
}

// end stores how a message's query ended.
func (d *operations) end(m query.Message, state query.State) {
	d.Helper()
	_, won, err := d.Backend.Records.PutRecord(d.Context(), m.Ended(query.Outcome{State: state, FinishedAt: d.now(), Failure: &query.Failure{Code: query.TooOften, Detail: "3 runs failed"}}))
	d.must(err)
	if !won {
		d.Fatal("it had ended before")
	}
}

// take receives what is on a queue.
func (d *operations) take(q platform.QueueName) []platform.Delivery {
	d.Helper()
	ds, err := d.Backend.Queues.Receive(d.Context(), q, 10, time.Minute, 0)
	d.must(err)
	return ds
}

func TestEveryDeadLetterHasItsOutcome(t *testing.T) {
	for _, tc := range []struct {
		name    string
		class   query.Class
		pool    string
		state   query.State
		queue   string        // as it is said
		later   time.Duration // before it is put back
		outcome api.RedriveOutcome
		to      platform.QueueName
		left    int
	}{
		{"failed strict", query.Strict, "general", query.Failed, "", 0, api.Resubmitted, platform.Overflow, 0},
		{"failed relaxed", query.Relaxed, "large", query.Failed, "", 0, api.Resubmitted, "work-relaxed-large", 0},
		{"relaxed of a pool that is gone", query.Relaxed, "gone", query.Failed, "", 0, api.Resubmitted, "work-relaxed-general", 0},
		{"expired", query.Relaxed, "general", query.Expired, "", 0, api.Resubmitted, "work-relaxed-general", 0},
		{"forgotten", query.Strict, "general", query.Failed, "", 2 * time.Hour, api.Resubmitted, platform.Overflow, 0},
		{"failed, told to overflow", query.Relaxed, "general", query.Failed, "overflow", 0, api.Resubmitted, platform.Overflow, 0},
		{"failed, told to work", query.Strict, "general", query.Failed, "work", 0, api.Resubmitted, "work-strict-general", 0},
		{"unfinished", query.Strict, "general", "", "", 0, api.Resubmitted, platform.Overflow, 0},
		{"unfinished after its expiry", query.Strict, "general", "", "", 2 * time.Minute, api.Resubmitted, platform.Overflow, 0},
		{"answered", query.Strict, "general", query.Succeeded, "", 0, api.Dropped, "", 0},
		{"cancelled", query.Strict, "general", query.Cancelled, "", 0, api.Dropped, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newFixture(t)
			m := d.dead(tc.class, tc.pool, tc.state)
			d.pass(tc.later)
			seen, err := d.DeadLetters(t.Context(), tc.queue, 10)
			d.must(err)
			if len(seen.Letters) != 1 || seen.Waiting != 1 {
				t.Fatalf("looked at: %+v", seen)
			}
			done, err := d.Redrive(t.Context(), tc.queue, 10)
			d.must(err)
			if len(done.Letters) != 1 {
				t.Fatalf("did %+v", done.Letters)
			}
			l := done.Letters[0]
			said := seen.Letters[0]
			said.As = l.As // it has its id once it is asked
			if tc.state == "" {
				said.State, said.Why = l.State, l.Why // it has failed with this
			}
			if l != said {
				t.Errorf("did %+v, said %+v", l, said)
			}
			if l.Outcome != tc.outcome || l.Queue != string(tc.to) || l.ID != m.ID || l.Why == "" {
				t.Errorf("%+v", l)
			}
			if depth, err := d.Backend.Queues.Depth(t.Context(), platform.DeadLetters); err != nil || depth.Visible+depth.InFlight != tc.left {
				t.Errorf("left among the dead letters: %+v, error %v", depth, err)
			}
			if tc.to != "" {
				d.isPut(m, l)
			}
		})
	}
}

// isPut holds a letter that was put back to its outcome.
func (d *operations) isPut(was query.Message, l api.DeadLetter) {
	d.Helper()
	ds := d.take(platform.QueueName(l.Queue))
	if len(ds) != 1 {
		d.Fatalf("%d messages on %s", len(ds), l.Queue)
	}
	m := ds[0].Message
	if m.ID != l.As || m.RetryOf != was.ID || m.Owner != was.Owner || string(m.Input.Data) != string(was.Input.Data) || m.Attempts != 0 || m.Pinned ||
		!m.Keyed || m.Need != was.Need || m.Placement != l.Queue || m.Trail[len(m.Trail)-1].Event != query.StepRedriven {
		d.Errorf("it is put back as %+v", m)
	}
	now := d.now().UTC().Truncate(time.Millisecond)
	if !m.AcceptedAt.Equal(now) || !m.ExpiresAt.Equal(now.Add(time.Minute)) || m.DeadlineAt.Sub(m.AcceptedAt) != 500*time.Millisecond {
		d.Errorf("accepted at %v, to be answered by %v, expires at %v; put back at %v", m.AcceptedAt, m.DeadlineAt, m.ExpiresAt, now)
	}
	id, err := keys.ParseID(m.ID)
	if err != nil || id.Kind != signed.Stored || id.Owner != signed.HashOwner(was.Owner) || !id.ExpiresAt.Equal(m.ExpiresAt) || !id.ForgetAt.Equal(m.ForgetAt) {
		d.Errorf("id %+v, error %v", id, err)
	}
	d.end(m, query.Succeeded)
	if r, err := d.Backend.Records.GetRecord(d.Context(), m.ID); err != nil || r.RetryOf != was.ID {
		d.Errorf("its record is %+v, error %v", r, err)
	}
}

// A letter of a query without an end gives it one: it has failed, whatever
// becomes of the query that asks again.
func TestALetterWithoutAnEndFails(t *testing.T) {
	d := newFixture(t)
	m := d.dead(query.Strict, "general", "")
	_, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	r, err := d.Backend.Records.GetRecord(t.Context(), m.ID)
	if err != nil || r.State != query.Failed || r.Outcome.Failure.Code != query.TooOften || r.Outcome.Attempts != 3 {
		t.Errorf("record %+v, error %v", r, err)
	}
}

// A letter of before ids were signed is asked again too.
func TestALetterWithAnUnsignedID(t *testing.T) {
	d := newFixture(t)
	m := query.Message{ID: "q1", Owner: "anna", Task: "t", Model: "m", Class: query.Relaxed, AcceptedAt: d.now(),
		DeadlineAt: d.now().Add(time.Second), ExpiresAt: d.now().Add(time.Minute)}
	d.must(d.Backend.Queues.Send(t.Context(), platform.DeadLetters, m))
	done, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	ds := d.take("work-relaxed-general")
	if len(done.Letters) != 1 || len(ds) != 1 || ds[0].Message.ID != done.Letters[0].As || ds[0].Message.RetryOf != "q1" || ds[0].Message.Need.Task != "t" {
		t.Errorf("put back %+v: %+v", done, ds)
	}
}

// unsent puts a letter back, and then has it among the dead letters again and
// nothing on its queue, as if the process that put it back had died before it was sent.
// It returns the id under which it is asked again.
func (d *operations) unsent(m query.Message) string {
	d.Helper()
	done, err := d.Redrive(d.Context(), "", 10)
	d.must(err)
	d.must(d.Backend.Queues.Delete(d.Context(), d.take(platform.Overflow)...))
	d.must(d.Backend.Queues.Send(d.Context(), platform.DeadLetters, m))
	return done.Letters[0].As
}

// A query that is put back twice is asked once: again under the same id while
// that has not ended, not at all when it has, and under another when it expired.
func TestPutBackTwiceIsAskedOnce(t *testing.T) {
	for _, tc := range []struct {
		name  string
		state query.State // of the first attempt, when it is put back again
		later time.Duration
		same  bool
		sent  int
		first query.State // its state in the end
	}{
		{"unfinished", "", time.Second, true, 1, ""},
		{"answered", query.Succeeded, time.Second, true, 0, query.Succeeded},
		{"failed", query.Failed, time.Second, true, 0, query.Failed},
		{"expired", query.Expired, 2 * time.Minute, false, 1, query.Expired},
		{"expired, and nobody looked", "", 2 * time.Minute, false, 1, query.Expired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newFixture(t)
			m := d.dead(query.Strict, "general", query.Failed)
			first := d.unsent(m)
			if tc.state != "" {
				attempt := m
				attempt.ID = first
				d.end(attempt, tc.state)
			}
			d.pass(tc.later)
			again, err := d.Redrive(t.Context(), "", 10)
			d.must(err)
			if len(again.Letters) != 1 || (again.Letters[0].As == first) != tc.same {
				t.Fatalf("put back again: %+v, first as %s", again, first)
			}
			ds := d.take(platform.Overflow)
			if len(ds) != tc.sent || len(ds) > 0 && ds[0].Message.ID != again.Letters[0].As {
				t.Errorf("on the overflow queue: %+v", ds)
			}
			r, err := d.Backend.Records.GetRecord(t.Context(), first)
			if err != nil && !errors.Is(err, platform.ErrNotFound) || r.State != tc.first {
				t.Errorf("the first attempt is %q, error %v", r.State, err)
			}
		})
	}
}

// What was put back may fail again, and is put back as yet another query.
func TestAFailureOfTheRetryIsPutBackToo(t *testing.T) {
	d := newFixture(t)
	d.dead(query.Strict, "general", query.Failed)
	_, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	del := d.take(platform.Overflow)[0]
	d.end(del.Message, query.Failed)
	d.must(d.Backend.Queues.Move(t.Context(), del, platform.DeadLetters, del.Message))
	done, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	if len(done.Letters) != 1 || done.Letters[0].As == del.Message.ID || done.Letters[0].Outcome != api.Resubmitted {
		t.Fatalf("%+v", done)
	}
	if m := d.take(platform.Overflow)[0].Message; m.RetryOf != del.Message.ID {
		t.Errorf("it asks query %s again, want %s", m.RetryOf, del.Message.ID)
	}
}

func TestALimitLeavesTheRest(t *testing.T) {
	d := newFixture(t)
	for range 25 {
		d.dead(query.Relaxed, "general", query.Failed)
	}
	seen, err := d.DeadLetters(t.Context(), "", 12)
	d.must(err)
	if len(seen.Letters) != 12 || seen.Waiting != 25 {
		t.Errorf("%d looked at, %d wait", len(seen.Letters), seen.Waiting)
	}
	for _, want := range []struct{ done, waiting int }{{12, 13}, {12, 1}, {1, 0}, {0, 0}} {
		got, err := d.Redrive(t.Context(), "", 12)
		d.must(err)
		if len(got.Letters) != want.done || got.Waiting != want.waiting {
			t.Errorf("%d put back, %d wait, want %+v", len(got.Letters), got.Waiting, want)
		}
	}
	if _, err := d.Redrive(t.Context(), "work-strict-general", 1); !errors.Is(err, admin.ErrBadQueue) {
		t.Errorf("error %v", err)
	}
}

// slowQueues hand out letters slowly: leases end meanwhile.
type slowQueues struct {
	platform.Queues
	pass func(time.Duration)
}

func (q slowQueues) Receive(ctx context.Context, from platform.QueueName, limit int, lease, wait time.Duration) ([]platform.Delivery, error) {
	q.pass(11 * time.Second)
	return q.Queues.Receive(ctx, from, limit, lease, wait)
}

// A read that outlasts its leases reports each letter once, and ends.
func TestALongReadReportsEachLetterOnce(t *testing.T) {
	d := newFixture(t)
	const letters = 35
	for range letters {
		d.dead(query.Relaxed, "general", query.Failed)
	}
	d.Backend.Queues = slowQueues{d.Backend.Queues, d.pass}
	seen, err := d.DeadLetters(t.Context(), "", 1000)
	d.must(err)
	reported := map[string]bool{}
	for _, l := range seen.Letters {
		if reported[l.ID] {
			t.Errorf("%s is reported twice", l.ID)
		}
		reported[l.ID] = true
	}
	if len(reported) != letters {
		t.Errorf("%d letters are reported, there are %d", len(reported), letters)
	}
}
