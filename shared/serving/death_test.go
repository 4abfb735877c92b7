package serving_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/schedule"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/serving"
)

// cuts are the steps at which a worker dies.
var cuts = []string{
	"after receive", "before states", "after states", "before finish", "after finish",
	"before delete", "after delete", "before move", "amid move", "after move", "before release", "after release",
}

// chaos is as unkind as a queue may be.
func chaos(seed uint64) *sqlite.Chaos {
	return &sqlite.Chaos{Seed: seed, Duplicate: 0.3, Delay: 0.3, Late: 2 * time.Second, Reorder: true}
}

// A worker dies at each step of its work, another takes over: every query ends
// exactly once, and no message is left behind.
func TestDeathAtEveryStep(t *testing.T) {
	for _, unkind := range []bool{false, true} {
		for _, cut := range cuts {
			t.Run(fmt.Sprintf("%s chaos=%v", cut, unkind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var c *sqlite.Chaos
					if unkind {
						c = chaos(7)
					}
					r := newRig(t, c)
					defer r.close()
					dieAndTakeOver(r, cut)
				})
			})
		}
	}
}

func dieAndTakeOver(r *rig, cut string) {
	stop := r.throwBack()
	defer stop()
	ids := r.submitMixed()
	victim := r.start("victim", func(_ *serving.Options, m *mortal) { m.cut = cut })
	<-time.After(3 * time.Second) // it has died, or had nothing to die of
	victim.way.dead.Store(true)
	r.end(victim) // only its goroutines: nothing reaches the backend
	heir := r.start("heir", nil)
	r.wantEnded(ids)
	<-time.After(2 * time.Minute) // whatever came twice has come again
	r.end(heir)
	r.wantNothingLeft(ids)
}

// throwBack stands for the dispatcher: it pins what was bounced to the work queue.
func (r *rig) throwBack() (stop func()) {
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			ds, _ := r.Queues.Receive(ctx, platform.Overflow, 10, time.Minute, time.Minute)
			for _, d := range ds {
				d.Message.Pinned = true
				if err := r.Queues.Move(r.Context(), d, platform.WorkQueue(pool, d.Message.Class), d.Message); err != nil {
					r.Error(err)
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// submitMixed submits queries of every outcome and returns their ids with the
// state each must end in.
func (r *rig) submitMixed() map[string]query.State {
	r.Helper()
	want := map[string]query.State{}
	for i := range 4 {
		for kind, a := range map[string]ask{
			"strict":  {model: "quick", class: query.Strict, boundMS: 1900},
			"late":    {model: "slow", class: query.Strict, boundMS: 120},
			"relaxed": {model: "slow", class: query.Relaxed, boundMS: 10_000},
			"poison":  {model: "quick", class: query.Relaxed, boundMS: 10_000, input: "cut off"},
		} {
			a.id = fmt.Sprintf("%s %d", kind, i)
			r.submit(a)
			want[a.id] = query.Succeeded
			if kind == "poison" {
				want[a.id] = query.Failed
			}
		}
	}
	return want
}

func (r *rig) wantEnded(want map[string]query.State) {
	r.Helper()
	for id, state := range want {
		rec := r.want(id, state)
		if state == query.Succeeded && rec.Outcome.Result.Label != "input of "+id {
			r.Errorf("query %s got the answer %q", id, rec.Outcome.Result.Label)
		}
	}
}

// wantNothingLeft expects, of workers that were stopped, that each query was
// ended by one write and that no message is left.
func (r *rig) wantNothingLeft(ids map[string]query.State) {
	r.Helper()
	for id := range ids {
		if n := r.wins.won[id]; n != 1 {
			r.Errorf("query %s ended %d times", id, n)
		}
	}
	for _, q := range []platform.QueueName{platform.WorkQueue(pool, query.Strict), platform.WorkQueue(pool, query.Relaxed), platform.Overflow} {
		r.wantDepth(q, 0)
	}
	if n := r.depth(platform.DeadLetters); n < 4 {
		r.Errorf("%d dead letters of 4 poisoned queries", n)
	}
}

// Two workers share unkind queues: every query ends once, with its own answer.
func TestChaosEndsEveryQueryOnce(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, chaos(seed))
				defer r.close()
				stop := r.throwBack()
				defer stop()
				ws := []*worker{r.start("w1", nil), r.start("w2", nil)}
				ids := r.submitMixed()
				r.wantEnded(ids)
				<-time.After(2 * time.Minute)
				r.end(ws...)
				r.wantNothingLeft(ids)
			})
		})
	}
}

// While the backend is out of reach a worker keeps its result and tries again; it
// stores it when the backend is back in time, and leaves it when the lease is over.
func TestBackendOutOfReach(t *testing.T) {
	for _, tc := range []struct {
		away time.Duration
		runs int
	}{{5 * time.Second, 1}, {40 * time.Second, 2}} {
		t.Run(tc.away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.answers.started = make(chan string, 9)
				w := r.start("w1", nil)
				r.submit(ask{id: "q", model: "slow", class: query.Relaxed, boundMS: 60_000})
				<-r.answers.started
				w.way.dead.Store(true)
				<-time.After(tc.away)
				w.way.dead.Store(false)
				if o := r.want("q", query.Succeeded).Outcome; o.RanOn.Name != "w1" {
					t.Errorf("answered by %+v", o.RanOn)
				}
				r.end(w)
				if n := r.answers.ran("input of q"); n != tc.runs {
					t.Errorf("it ran %d times, want %d", n, tc.runs)
				}
				r.wantDepth(platform.WorkQueue(pool, query.Relaxed), 0)
			})
		})
	}
}

// A run that takes longer than its lease keeps it, and is not run twice.
func TestLeaseIsRenewedWhileItRuns(t *testing.T) {
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.answers.cold, r.answers.started = make(chan struct{}), make(chan string, 9)
				r.submit(ask{id: "q", model: "slow", class: class, boundMS: 60_000})
				ws := []*worker{r.start("w1", nil), r.start("w2", nil)}
				<-r.answers.started
				<-time.After(50 * time.Second)
				close(r.answers.cold)
				r.want("q", query.Succeeded)
				r.end(ws...)
				if n := r.answers.ran("input of q"); n != 1 {
					t.Errorf("it ran %d times", n)
				}
			})
		})
	}
}

// What a worker held that is cut off comes back to another in time for a strict bound.
func TestAStrictQueryComesBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.cold, r.answers.started = make(chan struct{}), make(chan string, 9)
		r.submit(ask{id: "q", model: "slow", class: query.Strict, boundMS: 5000})
		w := r.start("w1", nil)
		<-r.answers.started
		w.way.dead.Store(true)
		other := r.start("w2", nil)
		<-r.answers.started
		close(r.answers.cold)
		if rec := r.want("q", query.Succeeded); rec.Outcome.FinishedAt.After(rec.DeadlineAt) {
			t.Errorf("it ended %v after its bound", rec.Outcome.FinishedAt.Sub(rec.DeadlineAt))
		}
		r.end(w, other)
	})
}

// A lease is not renewed for ever: a run that never ends, while its worker does all else,
// gives its message up one lease after the query's expiry, and the query ends by it.
func TestLeaseIsNotRenewedForEver(t *testing.T) {
	const expiry, relaxedLease = 60 * time.Second, 15 * time.Second
	for _, class := range []query.Class{query.Strict, query.Relaxed} {
		t.Run(string(class), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.answers.cold, r.answers.started = make(chan struct{}), make(chan string, 9)
				r.submit(ask{id: "q", model: "slow", class: class, boundMS: 1000})
				stuck := r.start("w1", nil)
				<-r.answers.started
				began := time.Now()
				other := r.start("w2", nil)
				r.want("q", query.Expired)
				if took := time.Since(began); took > expiry+2*schedule.Lease(class, relaxedLease) {
					t.Errorf("it ended after %v", took)
				}
				close(r.answers.cold)
				r.end(stuck, other)
				if n := stuck.LateWrites(); n != 0 {
					t.Errorf("%d late writes of the stuck worker: it wrote after the expiry", n)
				}
				r.wantDepth(platform.WorkQueue(pool, class), 0)
			})
		})
	}
}
