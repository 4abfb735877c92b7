package settle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

// book writes down every call, and fails the first calls of each kind as told.
type book struct {
	calls  []string
	states map[string]query.State
	fail   map[string][]error
	lose   bool // another outcome was first
}

func (b *book) call(name, what string) error {
	b.calls = append(b.calls, name+" "+what)
	if errs := b.fail[name]; len(errs) > 0 {
		b.fail[name] = errs[1:]
		return errs[0]
	}
	return nil
}

func (b *book) Delete(_ context.Context, ds ...cloud.Delivery) error {
	return b.call("delete", ds[0].Message.ID)
}

func (b *book) Move(_ context.Context, d cloud.Delivery, to cloud.QueueName, m query.Message) error {
	return b.call("move", fmt.Sprintf("%s to %s after %d", m.ID, to, m.Attempts))
}

func (b *book) States(context.Context, ...string) (map[string]query.State, error) {
	return b.states, b.call("states", "")
}

func (b *book) Finish(_ context.Context, id string, o query.Outcome) (query.Record, bool, error) {
	return query.Record{}, !b.lose, b.call("finish", id+" "+string(o.State))
}

func settler(b *book) *Settler {
	return &Settler{Queues: b, Store: b, Now: time.Now, MaxAttempts: func() int { return 3 }, Log: slog.New(slog.DiscardHandler)}
}

func delivery(id string) cloud.Delivery {
	return cloud.Delivery{Message: query.Message{ID: id, ExpiresAt: time.Now().Add(time.Minute)}, Receives: 1}
}

// The outcome is stored before the message goes, and what may mend is tried again.
func TestOrderAndRetries(t *testing.T) {
	away := fmt.Errorf("the store is away: %w", cloud.ErrUnavailable)
	for _, tc := range []struct {
		name string
		fail map[string][]error
		do   func(*Settler, context.Context) error
		want []string
		err  error
		late int64
	}{
		{"end", nil, end, []string{"finish q succeeded", "delete q"}, nil, 0},
		{"end, store away twice", map[string][]error{"finish": {away, away}}, end,
			[]string{"finish q succeeded", "finish q succeeded", "finish q succeeded", "delete q"}, nil, 0},
		{"end, queue away", map[string][]error{"delete": {away}}, end, []string{"finish q succeeded", "delete q", "delete q"}, nil, 0},
		{"end, forgotten", map[string][]error{"finish": {cloud.ErrNotFound}}, end, []string{"finish q succeeded", "delete q"}, nil, 1},
		{"end, revoked", map[string][]error{"finish": {cloud.ErrRevoked}}, end, []string{"finish q succeeded"}, cloud.ErrRevoked, 0},
		{"fail", nil, fail, []string{"finish q failed", "move q to dead-letters after 2"}, nil, 0},
		{"fail, lease lost", map[string][]error{"move": {cloud.ErrLeaseLost}}, fail,
			[]string{"finish q failed", "move q to dead-letters after 2"}, nil, 0},
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
	return s.Fail(ctx, delivery("q"), 2, query.Failure{Code: query.BadInput})
}

// Retries end with the context, which is the lease's.
func TestRetriesEndWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{fail: map[string][]error{"finish": slices.Repeat([]error{cloud.ErrUnavailable}, 1000)}}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		err := end(settler(b), ctx)
		if !errors.Is(err, cloud.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
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

func TestLateOutcomeIsCountedAndDropped(t *testing.T) {
	b := &book{lose: true}
	s := settler(b)
	if err := end(s, t.Context()); err != nil || s.LateWrites() != 1 || !slices.Contains(b.calls, "delete q") {
		t.Errorf("error %v, %d late, calls %q", err, s.LateWrites(), b.calls)
	}
}

func TestRunnable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, killer, crashed := delivery("old"), delivery("killer"), delivery("crashed")
		old.Message.ExpiresAt = time.Now().Add(-time.Second)
		killer.Message.Attempts = 3
		crashed.Receives = 4
		b := &book{states: map[string]query.State{"new": query.Placed, "done": query.Succeeded, "cancelled": query.Cancelled,
			"failed": query.Failed, "old": query.Placed, "killer": query.Placed, "crashed": query.Placed}}
		run, left, err := settler(b).Runnable(t.Context(), []cloud.Delivery{
			delivery("new"), delivery("done"), delivery("cancelled"), delivery("failed"), old, killer, crashed, delivery("unknown")})
		if err != nil || len(left) != 0 || len(run) != 2 || run[0].Message.ID != "new" || run[1].Message.ID != "unknown" {
			t.Errorf("run %v, left %v, error %v", run, left, err)
		}
		want := []string{"states ", "delete done", "delete cancelled", "move failed to dead-letters after 0",
			"finish old expired", "delete old", "finish killer failed", "move killer to dead-letters after 3",
			"finish crashed failed", "move crashed to dead-letters after 3"}
		if !slices.Equal(b.calls, want) {
			t.Errorf("calls\n%q, want\n%q", b.calls, want)
		}
	})
}

func TestPinAndPassCarryTheirSteps(t *testing.T) {
	b := &book{}
	s := settler(b)
	d := delivery("q")
	if err := s.Pin(t.Context(), d, "work", 1, query.Step{Event: query.StepFellBack}); err != nil || d.Message.Pinned {
		t.Errorf("error %v, the caller's delivery pinned: %v", err, d.Message.Pinned)
	}
	if !slices.Equal(b.calls, []string{"move q to work after 1"}) {
		t.Errorf("calls %q", b.calls)
	}
}
