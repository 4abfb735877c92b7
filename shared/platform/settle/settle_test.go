package settle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// book writes down every call, and fails the first calls of each kind where a test sets it to.
type book struct {
	calls   []string
	states  map[string]query.State
	fail    map[string][]error
	held    query.State // of the record that was first; empty when there is none
	records []query.Record
}

func (b *book) call(name, what string) error {
	b.calls = append(b.calls, name+" "+what)
	if errs := b.fail[name]; len(errs) > 0 {
		b.fail[name] = errs[1:]
		return errs[0]
	}
	return nil
}

func (b *book) Delete(_ context.Context, ds ...platform.Delivery) error {
	return b.call("delete", ds[0].Message.ID)
}

func (b *book) Move(_ context.Context, d platform.Delivery, to platform.QueueName, m query.Message) error {
	return b.call("move", fmt.Sprintf("%s to %s after %d", m.ID, to, m.Attempts))
}

func (b *book) EndStates(_ context.Context, ids ...string) (map[string]query.State, error) {
	return b.states, b.call("states", strings.Join(ids, " "))
}

func (b *book) PutRecord(ctx context.Context, r query.Record) (query.Record, bool, error) {
	err := b.call("put", r.ID+" "+string(r.State))
	if err == nil {
		err = ctx.Err()
	}
	if b.held != "" {
		return query.Record{ID: r.ID, State: b.held}, false, err
	}
	b.records = append(b.records, r)
	return r, true, err
}

func settler(b *book) *Settler {
	return &Settler{Queues: b, Records: b, Now: time.Now, MaxAttempts: func() int { return 3 }, Log: slog.New(slog.DiscardHandler)}
}

func delivery(id string) platform.Delivery {
	return platform.Delivery{Message: query.Message{ID: id, ExpiresAt: time.Now().Add(time.Minute)}, Receives: 1}
}

// A query with which workers ended is run again as long as that may be chance, whatever
// max_attempts says, and as long as that lets it.
func TestDeathsBoundAttempts(t *testing.T) {
	for _, tc := range []struct {
		deaths, attempts, receives int
		want                       []string
	}{
		{0, 0, 1, nil},
		{1, 1, 1, nil},
		{0, 2, 1, nil},
		{query.MostDeaths, 0, 1, []string{"put q failed", "move q to dead-letters after 0"}},
		{1, 1, 3, []string{"put q failed", "move q to dead-letters after 3"}},
	} {
		b := &book{}
		d := delivery("q")
		d.Message.Died, d.Message.Attempts, d.Receives = make([]string, tc.deaths), tc.attempts, tc.receives
		run, left, err := settler(b).Runnable(t.Context(), []platform.Delivery{d})
		if ended := len(tc.want) > 0; err != nil || len(left) != 0 || ended == (len(run) == 1) {
			t.Errorf("%+v: %d to run, %d left, error %v", tc, len(run), len(left), err)
		}
		calls := slices.DeleteFunc(b.calls, func(c string) bool { return strings.HasPrefix(c, "states") })
		if !slices.Equal(calls, tc.want) {
			t.Errorf("%+v: calls %q", tc, calls)
		}
	}
}

// The outcome is stored before the message goes, and what may mend is tried again.
func TestOrderAndRetries(t *testing.T) {
	away := fmt.Errorf("the store is away: %w", platform.ErrUnavailable)
	for _, tc := range []struct {
		name string
		fail map[string][]error
		do   func(*Settler, context.Context) error
		want []string
		err  error
		late int64
	}{
		{"end", nil, end, []string{"put q succeeded", "delete q"}, nil, 0},
		{"end, store away twice", map[string][]error{"put": {away, away}}, end,
			[]string{"put q succeeded", "put q succeeded", "put q succeeded", "delete q"}, nil, 0},
		{"end, queue away", map[string][]error{"delete": {away}}, end, []string{"put q succeeded", "delete q", "delete q"}, nil, 0},
		{"end, revoked", map[string][]error{"put": {platform.ErrRevoked}}, end, []string{"put q succeeded"}, platform.ErrRevoked, 0},
		{"fail", nil, fail, []string{"put q failed", "move q to dead-letters after 2"}, nil, 0},
		{"fail by the caller's fault", nil, failByCaller, []string{"put q failed", "delete q"}, nil, 0},
		{"fail, lease lost", map[string][]error{"move": {platform.ErrLeaseLost}}, fail,
			[]string{"put q failed", "move q to dead-letters after 2"}, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &book{fail: tc.fail}
				s := settler(b)
				if err := tc.do(s, t.Context()); !errors.Is(err, tc.err) {
					t.Errorf("error %v, want %v", err, tc.err)
				}
				if !slices.Equal(b.calls, tc.want) || s.LateWrites() != tc.late {
					t.Errorf("calls %q, want %q; %d late writes", b.calls, tc.want, s.LateWrites())
				}
			})
		})
	}
}

func end(s *Settler, ctx context.Context) error {
	return s.End(ctx, delivery("q"), query.Outcome{State: query.Succeeded})
}

func fail(s *Settler, ctx context.Context) error {
	return s.Fail(ctx, delivery("q"), 2, query.Failure{Code: query.TooOften})
}

func failByCaller(s *Settler, ctx context.Context) error {
	return s.Fail(ctx, delivery("q"), 2, query.Failure{Code: query.BadInput})
}

// Retries end with the context, which is the lease's.
func TestRetriesEndWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{fail: map[string][]error{"put": slices.Repeat([]error{platform.ErrUnavailable}, 1000)}}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		err := end(settler(b), ctx)
		if !errors.Is(err, platform.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if n := len(b.calls); n < 15 || n > 30 {
			t.Errorf("%d tries in 15 s", n)
		}
		if slices.Contains(b.calls, "delete q") {
			t.Error("the message went, and its outcome was not stored")
		}
	})
}

// An outcome that another was stored before is counted, and its message goes;
// it is no dead letter unless the query has failed.
func TestLateOutcomeIsCountedAndDropped(t *testing.T) {
	for _, tc := range []struct {
		held query.State
		do   func(*Settler, context.Context) error
		want string
	}{
		{query.Cancelled, end, "delete q"},
		{query.Failed, end, "delete q"},
		{query.Succeeded, fail, "delete q"},
		{query.Failed, fail, "move q to dead-letters after 2"},
	} {
		b := &book{held: tc.held}
		s := settler(b)
		if err := tc.do(s, t.Context()); err != nil || s.LateWrites() != 1 || len(b.calls) != 2 || b.calls[1] != tc.want {
			t.Errorf("held %s: error %v, %d late, calls %q, want %q", tc.held, err, s.LateWrites(), b.calls, tc.want)
		}
	}
}

// The record is whole: what the message said of the query, and how it ended.
func TestRecordReportsWhatTheMessageSaid(t *testing.T) {
	b := &book{}
	d := delivery("q")
	m := &d.Message
	m.Owner, m.Need.Task, m.Placement, m.ForgetAt = "owner", "t", "work", m.ExpiresAt.Add(time.Hour)
	m.Trail = query.Trail{{Event: query.StepPlaced}}
	if err := settler(b).Fail(t.Context(), d, 2, query.Failure{Code: query.BadInput, Detail: "no picture"}); err != nil {
		t.Fatal(err)
	}
	r := b.records[0]
	if r.Owner != "owner" || r.Need.Task != "t" || r.Placement != "work" || !r.ForgetAt.Equal(m.ForgetAt) || len(r.Trail) != 1 ||
		r.State != query.Failed || r.Outcome.Attempts != 2 || r.Outcome.Failure.Detail != "no picture" {
		t.Errorf("record %+v, outcome %+v", r, r.Outcome)
	}
}

// The last try to store an outcome begins a second before the query expires,
// and none lasts beyond its expiry. The message stays.
func TestWritersStopBeforeExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &stuck{book: book{}}
		s := settler(&b.book)
		s.Records = b
		d := delivery("q")
		d.Message.ExpiresAt = time.Now().Add(10 * time.Second)
		for _, tc := range []struct {
			hangs bool
			late  time.Duration // before the end is to be stored
			calls bool
		}{{false, 0, true}, {true, 0, true}, {false, 9 * time.Second, false}} {
			b.began, b.hangs = nil, tc.hangs
			d.Message.ExpiresAt = time.Now().Add(10 * time.Second)
			<-time.After(tc.late)
			err := s.End(t.Context(), d, query.Outcome{State: query.Succeeded})
			if !errors.Is(err, ErrTooLate) {
				t.Errorf("%+v: error %v", tc, err)
			}
			if (len(b.began) > 0) != tc.calls || time.Now().After(d.Message.ExpiresAt) {
				t.Errorf("%+v: %d tries, ended %v after the expiry", tc, len(b.began), time.Since(d.Message.ExpiresAt))
			}
			for _, at := range b.began {
				if at.After(d.Message.ExpiresAt.Add(-lastWrite)) {
					t.Errorf("%+v: a try began %v before the expiry", tc, d.Message.ExpiresAt.Sub(at))
				}
			}
		}
		if len(b.calls) != 0 {
			t.Errorf("calls %q", b.calls)
		}
	})
}

// stuck are records that are away; when they hang, a call ends with its context.
type stuck struct {
	book
	hangs bool
	began []time.Time
}

func (s *stuck) PutRecord(ctx context.Context, _ query.Record) (query.Record, bool, error) {
	s.began = append(s.began, time.Now())
	if s.hangs {
		<-ctx.Done()
	}
	return query.Record{}, false, platform.ErrUnavailable
}

func TestRunnable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, killer, crashed := delivery("old"), delivery("killer"), delivery("crashed")
		old.Message.ExpiresAt = time.Now().Add(-time.Second)
		killer.Message.Attempts = 3
		crashed.Receives = 4
		keyed := func(id string) platform.Delivery {
			d := delivery(id)
			d.Message.Keyed = true
			return d
		}
		failed := keyed("failed")
		failed.Receives = 2
		again := delivery("again")
		again.Receives = 2
		b := &book{states: map[string]query.State{"done": query.Succeeded, "cancelled": query.Cancelled, "failed": query.Failed, "repeated": query.Failed}}
		s := settler(b)
		run, left, err := s.Runnable(t.Context(), []platform.Delivery{
			delivery("new"), keyed("done"), keyed("cancelled"), failed, keyed("repeated"), old, killer, crashed, keyed("unknown"), again})
		var ids []string
		for _, d := range run {
			ids = append(ids, d.Message.ID)
		}
		if err != nil || len(left) != 0 || !slices.Equal(ids, []string{"new", "unknown", "again"}) || s.Expired() != 1 {
			t.Errorf("run %v, left %v, %d expired, error %v", ids, left, s.Expired(), err)
		}
		want := []string{"states done cancelled failed repeated crashed unknown again", "delete done", "delete cancelled",
			"move failed to dead-letters after 0", "delete repeated", "put old expired", "delete old", "put killer failed",
			"move killer to dead-letters after 3", "put crashed failed", "move crashed to dead-letters after 3"}
		if !slices.Equal(b.calls, want) {
			t.Errorf("calls\n%q, want\n%q", b.calls, want)
		}
	})
}

// What comes for the first time, and has no key, costs no read.
func TestNewMessagesAreNotAskedFor(t *testing.T) {
	b := &book{fail: map[string][]error{"states": {platform.ErrUnavailable}}}
	run, left, err := settler(b).Runnable(t.Context(), []platform.Delivery{delivery("a"), delivery("b")})
	if err != nil || len(run) != 2 || len(left) != 0 || len(b.calls) != 0 {
		t.Errorf("run %v, left %v, error %v, calls %q", run, left, err, b.calls)
	}
}

func TestPinAndPassCarryTheirSteps(t *testing.T) {
	b := &book{}
	s := settler(b)
	d := delivery("q")
	if err := s.Pin(t.Context(), d, "work", 1, query.Step{Event: query.StepReturned}); err != nil || d.Message.Pinned {
		t.Errorf("error %v, the caller's delivery pinned: %v", err, d.Message.Pinned)
	}
	if !slices.Equal(b.calls, []string{"move q to work after 1"}) {
		t.Errorf("calls %q", b.calls)
	}
}

// Each end is counted once, by who is first to store it; an answer of a worker
// is counted by the worker.
func TestEndsAreCountedOnce(t *testing.T) {
	onFunction, onWorker := query.Runner{Kind: query.OnFunction}, query.Runner{Kind: query.OnWorker}
	for _, tc := range []struct {
		name string
		o    query.Outcome
		held query.State
		want tally.Counts
	}{
		{"answered by a function", query.Outcome{State: query.Succeeded, RanOn: onFunction}, "", tally.Counts{Answered: 1, Overflowed: 1}},
		{"answered by a worker", query.Outcome{State: query.Succeeded, RanOn: onWorker}, "", tally.Counts{}},
		{"failed on a worker", query.Outcome{State: query.Failed, RanOn: onWorker}, "", tally.Counts{Failed: 1}},
		{"expired", query.Outcome{State: query.Expired}, "", tally.Counts{Expired: 1}},
		{"late", query.Outcome{State: query.Succeeded, RanOn: onFunction}, query.Expired, tally.Counts{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := settler(&book{held: tc.held})
			s.Counts = tally.NewBook(time.Now())
			if err := s.End(t.Context(), delivery("q"), tc.o); err != nil {
				t.Fatal(err)
			}
			var got tally.Counts
			for _, k := range s.Counts.Snapshot(time.Now()).Tallies {
				got = k.Counts
			}
			got.Met = 0
			if got != tc.want {
				t.Errorf("%s: counted %+v, want %+v", tc.name, got, tc.want)
			}
		})
	}
}
