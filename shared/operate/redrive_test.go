package operate_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"paragon/shared/api"
	"paragon/shared/cloud"
	"paragon/shared/cloud/local"
	"paragon/shared/core/query"
	"paragon/shared/operate"
)

// desk is a desk at a home on one machine, without anybody who takes queries.
type desk struct {
	*operate.Desk
	*testing.T
	start time.Time
	later atomic.Int64 // nanoseconds passed since
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, start: time.Now()}
	home, err := local.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), local.Options{Now: d.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { home.Close() })
	h := home.Cloud()
	d.Desk = &operate.Desk{Home: h, Tuned: operate.Read(h.Settings), Pools: []string{"general", "large"}, Now: d.now}
	return d
}

func (d *desk) now() time.Time { return d.start.Add(time.Duration(d.later.Load())) }

func (d *desk) pass(t time.Duration) { d.later.Add(int64(t)) }

func (d *desk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// dead makes a query and its dead letter; an empty state leaves it unfinished.
func (d *desk) dead(id string, class query.Class, pool string, state query.State) query.Message {
	d.Helper()
	r := query.Record{
		ID: id, Owner: "anna", State: query.Placed, Model: "m", Class: class, Need: query.Need{Task: "t", Constraints: query.Constraints{Accuracy: 80}},
		AcceptedAt: d.now(), DeadlineAt: d.now().Add(500 * time.Millisecond), ExpiresAt: d.now().Add(time.Minute), ForgetAt: d.now().Add(time.Hour),
		Placement: string(cloud.WorkQueue(pool, class)),
	}
	r.Trail = query.Trail{{Event: query.StepPlaced, Where: r.Placement}}
	m := r.Message(query.Input{ContentType: "image/png", Data: []byte("picture of " + id)})
	m.Attempts, m.Pinned = 3, true
	_, _, err := d.Home.Store.Accept(d.Context(), r, "elsewhere", m)
	d.must(err)
	if state != "" {
		_, _, err = d.Home.Store.Finish(d.Context(), id, query.Outcome{State: state, FinishedAt: d.now(), Failure: &query.Failure{Code: query.TooOften, Detail: "3 runs failed"}})
		d.must(err)
	}
	d.must(d.Home.Queues.Send(d.Context(), cloud.DeadLetters, m))
	return m
}

// take receives what is on a queue.
func (d *desk) take(q cloud.QueueName) []cloud.Delivery {
	d.Helper()
	ds, err := d.Home.Queues.Receive(d.Context(), q, 10, time.Minute, 0)
	d.must(err)
	return ds
}

func TestEveryDeadLetterHasItsFate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		class query.Class
		pool  string
		state query.State
		queue string        // as it is said
		later time.Duration // before it is put back
		fate  api.Fate
		to    cloud.QueueName
		left  int
	}{
		{"failed strict", query.Strict, "general", query.Failed, "", 0, api.Rerun, cloud.Overflow, 0},
		{"failed relaxed", query.Relaxed, "large", query.Failed, "", 0, api.Rerun, "work-relaxed-large", 0},
		{"relaxed of a pool that is gone", query.Relaxed, "gone", query.Failed, "", 0, api.Rerun, "work-relaxed-general", 0},
		{"expired", query.Relaxed, "general", query.Expired, "", 0, api.Rerun, "work-relaxed-general", 0},
		{"forgotten", query.Strict, "general", query.Failed, "", 2 * time.Hour, api.Rerun, cloud.Overflow, 0},
		{"failed, told to overflow", query.Relaxed, "general", query.Failed, "overflow", 0, api.Rerun, cloud.Overflow, 0},
		{"failed, told to work", query.Strict, "general", query.Failed, "work", 0, api.Rerun, "work-strict-general", 0},
		{"unfinished", query.Strict, "general", "", "", 0, api.Resumed, cloud.Overflow, 0},
		{"unfinished and not swept", query.Strict, "general", "", "", 2 * time.Minute, api.Kept, "", 1},
		{"answered", query.Strict, "general", query.Succeeded, "", 0, api.Dropped, "", 0},
		{"cancelled", query.Strict, "general", query.Cancelled, "", 0, api.Dropped, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t)
			m := d.dead("q1", tc.class, tc.pool, tc.state)
			if tc.state == query.Failed && tc.later > time.Hour {
				_, err := d.Home.Store.Forget(t.Context(), d.now().Add(tc.later))
				d.must(err)
			}
			d.pass(tc.later)
			seen, err := d.DeadLetters(t.Context(), tc.queue, 10)
			d.must(err)
			if len(seen.Letters) != 1 || seen.Waiting != 1 {
				t.Fatalf("looked at: %+v", seen)
			}
			done, err := d.Redrive(t.Context(), tc.queue, 10)
			d.must(err)
			if len(done.Letters) != 1 || done.Letters[0] != seen.Letters[0] {
				t.Fatalf("did %+v, said %+v", done.Letters, seen.Letters)
			}
			l := done.Letters[0]
			if l.Fate != tc.fate || l.Queue != string(tc.to) || l.ID != "q1" || l.Why == "" {
				t.Errorf("%+v", l)
			}
			if depth, err := d.Home.Queues.Depth(t.Context(), cloud.DeadLetters); err != nil || depth.Visible+depth.InFlight != tc.left {
				t.Errorf("left among the dead letters: %+v, error %v", depth, err)
			}
			if tc.to != "" {
				d.isPut(m, l)
			}
		})
	}
}

// isPut holds a letter that was put back to its fate.
func (d *desk) isPut(was query.Message, l api.DeadLetter) {
	d.Helper()
	ds := d.take(cloud.QueueName(l.Queue))
	if len(ds) != 1 {
		d.Fatalf("%d messages on %s", len(ds), l.Queue)
	}
	m := ds[0].Message
	want := l.ID
	if l.Fate == api.Rerun {
		want = l.As
	}
	if m.ID != want || m.Owner != was.Owner || string(m.Input.Data) != string(was.Input.Data) || m.Attempts != 0 || m.Pinned ||
		m.Trail[len(m.Trail)-1].Event != query.StepRedriven {
		d.Errorf("it is put back as %+v", m)
	}
	r, err := d.Home.Store.Get(d.Context(), m.ID)
	d.must(err)
	if r.State.Terminal() || r.Owner != was.Owner || !r.DeadlineAt.Equal(r.AcceptedAt.Add(500*time.Millisecond)) || r.Need.Task != "t" && l.State != "" {
		d.Errorf("its record is %+v", r)
	}
	if l.Fate == api.Rerun && (!m.AcceptedAt.Equal(d.now()) || !m.ExpiresAt.Equal(d.now().Add(time.Minute))) {
		d.Errorf("accepted at %v, expires at %v, put back at %v", m.AcceptedAt, m.ExpiresAt, d.now())
	}
}

// queues fail to delete once, as of a process that died before it could.
type queues struct {
	cloud.Queues
	fails int
}

var errDied = errors.New("died")

func (q *queues) Delete(ctx context.Context, ds ...cloud.Delivery) error {
	if q.fails--; q.fails >= 0 {
		return errDied
	}
	return q.Queues.Delete(ctx, ds...)
}

// A query put back twice, because whoever did it died in between, is asked once.
func TestPutBackTwiceIsAskedOnce(t *testing.T) {
	d := newDesk(t)
	d.dead("q1", query.Strict, "general", query.Failed)
	d.Home.Queues = &queues{Queues: d.Home.Queues, fails: 1}
	if _, err := d.Redrive(t.Context(), "", 10); !errors.Is(err, errDied) {
		t.Fatalf("error %v", err)
	}
	// Its lease would run out: another copy of the letter stands for that.
	first, err := d.Home.Store.Get(t.Context(), query.RedrivenID("q1"))
	d.must(err)
	m := first.Message(query.Input{Data: []byte("x")})
	m.ID = "q1"
	d.must(d.Home.Queues.Send(t.Context(), cloud.DeadLetters, m))
	d.pass(time.Second)
	again, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	if len(again.Letters) != 1 || again.Letters[0].As != first.ID {
		t.Errorf("again: %+v", again)
	}
	if n := len(d.take(cloud.Overflow)); n != 1 {
		t.Errorf("%d messages on the overflow queue, want 1", n)
	}
	if r, err := d.Home.Store.Get(t.Context(), first.ID); err != nil || !r.AcceptedAt.Equal(first.AcceptedAt) {
		t.Errorf("the query is %+v now, error %v", r, err)
	}
}

// Whoever put a query back may have died before its message was sent, and the
// rerun has expired by the repeat: it is asked as yet another query, once the
// sweep has ended that one.
func TestARerunThatExpiredIsAskedAnew(t *testing.T) {
	d := newDesk(t)
	d.dead("q1", query.Strict, "general", query.Failed)
	whole := d.Home.Queues
	d.Home.Queues = &queues{Queues: whole, fails: 1}
	if _, err := d.Redrive(t.Context(), "", 10); !errors.Is(err, errDied) {
		t.Fatalf("error %v", err)
	}
	first := query.RedrivenID("q1")
	d.must(whole.Delete(t.Context(), d.take(cloud.Overflow)...)) // it was never sent
	d.pass(2 * time.Minute)
	if kept, err := d.Redrive(t.Context(), "", 10); err != nil || len(kept.Letters) != 1 || kept.Letters[0].Fate != api.Kept {
		t.Fatalf("before the sweep: %+v, error %v", kept, err)
	}
	_, _, err := d.Home.Store.Finish(t.Context(), first, query.Outcome{State: query.Expired, FinishedAt: d.now()})
	d.must(err)
	d.pass(31 * time.Second)
	done, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	if len(done.Letters) != 1 || done.Letters[0].Fate != api.Rerun || done.Letters[0].As != query.RedrivenID(first) {
		t.Fatalf("after it: %+v", done)
	}
	if ds := d.take(cloud.Overflow); len(ds) != 1 || ds[0].Message.ID != done.Letters[0].As {
		t.Errorf("on the overflow queue: %+v", ds)
	}
}

// What was put back may fail again, and is put back as yet another query.
func TestAFailureOfTheRerunIsPutBackToo(t *testing.T) {
	d := newDesk(t)
	d.dead("q1", query.Strict, "general", query.Failed)
	_, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	del := d.take(cloud.Overflow)[0]
	_, _, err = d.Home.Store.Finish(t.Context(), del.Message.ID, query.Outcome{State: query.Failed, FinishedAt: d.now()})
	d.must(err)
	d.must(d.Home.Queues.Move(t.Context(), del, cloud.DeadLetters, del.Message))
	done, err := d.Redrive(t.Context(), "", 10)
	d.must(err)
	if len(done.Letters) != 1 || done.Letters[0].As == del.Message.ID || done.Letters[0].Fate != api.Rerun {
		t.Errorf("%+v", done)
	}
}

func TestALimitLeavesTheRest(t *testing.T) {
	d := newDesk(t)
	for i := range 25 {
		d.dead(string(rune('a'+i)), query.Relaxed, "general", query.Failed)
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
	if _, err := d.Redrive(t.Context(), "work-strict-general", 1); !errors.Is(err, operate.ErrBadQueue) {
		t.Errorf("error %v", err)
	}
}

// slowQueues take so long to hand out letters that leases end meanwhile.
type slowQueues struct {
	cloud.Queues
	pass func(time.Duration)
}

func (q slowQueues) Receive(ctx context.Context, from cloud.QueueName, limit int, lease, wait time.Duration) ([]cloud.Delivery, error) {
	q.pass(11 * time.Second)
	return q.Queues.Receive(ctx, from, limit, lease, wait)
}

// A look that outlasts what it holds tells each letter once, and ends.
func TestALongLookTellsEachLetterOnce(t *testing.T) {
	d := newDesk(t)
	const letters = 35
	for i := range letters {
		d.dead(fmt.Sprint("q", i), query.Relaxed, "general", query.Failed)
	}
	d.Home.Queues = slowQueues{d.Home.Queues, d.pass}
	seen, err := d.DeadLetters(t.Context(), "", 1000)
	d.must(err)
	told := map[string]bool{}
	for _, l := range seen.Letters {
		if told[l.ID] {
			t.Errorf("%s is told twice", l.ID)
		}
		told[l.ID] = true
	}
	if len(told) != letters {
		t.Errorf("%d letters are told, there are %d", len(told), letters)
	}
}
