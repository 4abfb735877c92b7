package serving_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
	"paragon/shared/serving"
)

func TestAnswersAQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		w := r.start("w1", nil)
		r.submit(ask{id: "q", model: "slow", class: query.Strict, boundMS: 500})
		rec := r.want("q", query.Succeeded)
		o := rec.Outcome
		if o.Result.Label != "input of q" || o.RanOn != (query.Runner{Kind: query.OnWorker, Name: "w1", Resource: "c5.large", Paced: true}) {
			t.Errorf("result %+v on %+v", o.Result, o.RanOn)
		}
		if o.ComputeMS != 100 || o.FinishedAt.Sub(o.StartedAt) != 100*time.Millisecond || !rec.Met() {
			t.Errorf("held for %v ms, met %v; want the profile's 100 ms, in time", o.ComputeMS, rec.Met())
		}
		if want := 0.1 * 0.072 / 3600 / 2; math.Abs(o.CostUSD-want) > 1e-12 {
			t.Errorf("cost %v, want %v", o.CostUSD, want)
		}
		r.end(w)
		r.wantDepth(cloud.WorkQueue(pool, query.Strict), 0)
		if ws, _ := r.Fleet.Workers(t.Context(), pool); len(ws) != 0 {
			t.Errorf("workers left: %+v", ws)
		}
	})
}

func TestUnpacedTakesTheTimeItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		w := r.start("w1", func(o *serving.Options, _ *mortal) { o.Paced = false })
		r.submit(ask{id: "q", model: "slow", class: query.Relaxed, boundMS: 5000})
		if o := r.want("q", query.Succeeded).Outcome; o.ComputeMS != 0 || o.RanOn.Paced {
			t.Errorf("took %v ms, paced %v", o.ComputeMS, o.RanOn.Paced)
		}
		r.end(w)
	})
}

// A worker that was busy takes the strict queries first, the earliest deadline
// first, and relaxed ones only when no strict one waits.
func TestStrictFirstByDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.LookAheadMS = 1000
		r.submit(
			ask{id: "r1", model: "slow", class: query.Relaxed, boundMS: 3000},
			ask{id: "r2", model: "slow", class: query.Relaxed, boundMS: 2500},
			ask{id: "s1", model: "slow", class: query.Strict, boundMS: 1500},
			ask{id: "s2", model: "slow", class: query.Strict, boundMS: 900},
			ask{id: "s3", model: "slow", class: query.Strict, boundMS: 1200},
		)
		w := r.start("w1", nil)
		for _, id := range []string{"r1", "r2", "s1", "s2", "s3"} {
			r.want(id, query.Succeeded)
		}
		r.end(w)
		want := []string{"input of s2", "input of s3", "input of s1", "input of r2", "input of r1"}
		if !slices.Equal(r.answers.order, want) {
			t.Errorf("order %v, want %v", r.answers.order, want)
		}
	})
}

// A busy worker hands over at once what it could not finish in time, says why,
// and keeps what it can.
func TestBouncesOnlyWhatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "runs", model: "slow", class: query.Strict, boundMS: 1000})
		r.answers.started = make(chan string, 9)
		w := r.start("w1", nil)
		<-r.answers.started
		r.submit(
			ask{id: "late", model: "slow", class: query.Strict, boundMS: 150},
			ask{id: "pinned", model: "slow", class: query.Strict, boundMS: 150, message: func(m *query.Message) { m.Pinned = true }},
			ask{id: "in time", model: "slow", class: query.Strict, boundMS: 1000},
		)
		began := time.Now()
		m := r.overflow()
		last := m.Trail[len(m.Trail)-1]
		if m.ID != "late" || last.Event != query.StepBounced || last.Where != "w1" || !strings.Contains(last.Why, "too late") {
			t.Errorf("bounced %s: %+v", m.ID, last)
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("handed over after %v, later than bounce_poll_ms", took)
		}
		for _, id := range []string{"runs", "pinned", "in time"} {
			r.want(id, query.Succeeded)
		}
		r.end(w)
		r.wantDepth(cloud.Overflow, 0)
	})
}

// At half load nothing is bounced.
func TestNoBounceAtHalfLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		ws := []*worker{r.start("w1", nil), r.start("w2", nil)}
		for i := range 100 {
			r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Strict, boundMS: 300})
			<-time.After(100 * time.Millisecond) // of two runners with 100 ms
		}
		for i := range 100 {
			if rec := r.want(fmt.Sprint(i), query.Succeeded); !rec.Met() {
				t.Errorf("query %d was late", i)
			}
		}
		r.end(ws...)
		r.wantDepth(cloud.Overflow, 0)
	})
}

func TestOverflowOffNeverBounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.MaxOverflowConcurrency = 0
		for i := range 5 {
			r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Strict, boundMS: 150})
		}
		w := r.start("w1", nil)
		for i := range 5 {
			r.want(fmt.Sprint(i), query.Succeeded)
		}
		r.end(w)
		r.wantDepth(cloud.Overflow, 0)
	})
}

// A worker takes no more than it can start within the look-ahead.
func TestHoldsOnlyTheLookAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		for i := range 10 {
			r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Relaxed, boundMS: 60_000})
		}
		r.answers.started = make(chan string, 20)
		w := r.start("w1", nil)
		for range 5 {
			<-r.answers.started
			<-time.After(20 * time.Millisecond) // within a run of 100 ms, 80 before the next
			d, err := r.Queues.Depth(t.Context(), cloud.WorkQueue(pool, query.Relaxed))
			if err != nil || d.InFlight != 1 {
				t.Fatalf("holds %d messages while one runs, error %v", d.InFlight, err)
			}
		}
		r.end(w)
		d, err := r.Queues.Depth(t.Context(), cloud.WorkQueue(pool, query.Relaxed))
		if err != nil || d.InFlight != 0 || d.Visible != 5 {
			t.Errorf("after the drain: %+v, error %v", d, err)
		}
	})
}

func TestBatchesWhereItPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.LookAheadMS = 1000
		for i := range 8 {
			r.submit(ask{id: fmt.Sprint(i), model: "batched", class: query.Relaxed, boundMS: 60_000})
		}
		w := r.start("w1", nil)
		for i := range 8 {
			o := r.want(fmt.Sprint(i), query.Succeeded).Outcome
			if o.Result.Label != "input of "+fmt.Sprint(i) || o.ComputeMS != 200 {
				t.Errorf("query %d: %+v in %v ms", i, o.Result, o.ComputeMS)
			}
		}
		r.end(w)
		if !slices.Equal(r.answers.batches, []int{4, 4}) {
			t.Errorf("batches %v", r.answers.batches)
		}
	})
}

func TestCancelledBeforeItRunsNeverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 5000})
		r.cancel("q")
		w := r.start("w1", nil)
		synctest.Wait()
		r.end(w)
		r.want("q", query.Cancelled)
		if n := r.answers.ran("input of q"); n != 0 {
			t.Errorf("it ran %d times", n)
		}
		r.wantDepth(cloud.WorkQueue(pool, query.Relaxed), 0)
	})
}

func (r *rig) cancel(id string) {
	r.Helper()
	o := query.Outcome{State: query.Cancelled, FinishedAt: time.Now(), Failure: &query.Failure{Code: query.CallerGone}}
	if _, won, err := r.Store.Finish(r.Context(), id, o); err != nil || !won {
		r.Fatalf("cancel: won %v, error %v", won, err)
	}
}

func TestCancelledWhileItRunsIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.started = make(chan string, 1)
		r.submit(ask{id: "q", model: "slow", class: query.Relaxed, boundMS: 5000})
		w := r.start("w1", nil)
		<-r.answers.started
		r.cancel("q")
		r.end(w)
		if rec := r.want("q", query.Cancelled); rec.Outcome.Result != nil {
			t.Error("a cancelled query has a result")
		}
		if w.LateWrites() != 1 {
			t.Errorf("%d late writes, want 1", w.LateWrites())
		}
		r.wantDepth(cloud.WorkQueue(pool, query.Relaxed), 0)
	})
}

func TestExpiredIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 5000})
		<-time.After(61 * time.Second)
		w := r.start("w1", nil)
		if rec := r.want("q", query.Expired); rec.Outcome.Failure.Code != query.TimedOut {
			t.Errorf("failure %+v", rec.Outcome.Failure)
		}
		r.end(w)
		if n := r.answers.ran("input of q"); n != 0 {
			t.Errorf("it ran %d times", n)
		}
		r.wantDepth(cloud.WorkQueue(pool, query.Relaxed), 0)
	})
}

func TestPoisonGoesToTheDeadLetters(t *testing.T) {
	for _, tc := range []struct {
		input    string
		uri      string
		code     query.FailureCode
		runs     int
		attempts int
	}{
		{"poison", "", query.BadInput, 1, 1},
		{"faulty", "", query.TooOften, 3, 3},
		{"", "upload:nowhere", query.InputIsGone, 0, 1},
	} {
		t.Run(string(tc.code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				w := r.start("w1", nil)
				r.submit(ask{id: "q", model: "quick", class: query.Strict, boundMS: 1000, input: tc.input,
					message: func(m *query.Message) { m.Input.URI = tc.uri }})
				rec := r.want("q", query.Failed)
				if o := rec.Outcome; o.Failure.Code != tc.code || o.Attempts != tc.attempts || o.Failure.Detail == "" {
					t.Errorf("%+v after %d attempts", o.Failure, o.Attempts)
				}
				if n := rec.Trail.Count(query.StepRetried); n != tc.attempts-1 {
					t.Errorf("%d retries in the trail %v", n, events(rec.Trail))
				}
				r.end(w)
				if n := r.answers.ran(tc.input); n != tc.runs {
					t.Errorf("it ran %d times, want %d", n, tc.runs)
				}
				r.wantDepth(cloud.DeadLetters, 1)
				r.wantDepth(cloud.WorkQueue(pool, query.Strict), 0)
			})
		})
	}
}

// A message that takes its worker down every time ends after max_attempts.
func TestKillerMessageEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.submit(ask{id: "q", model: "quick", class: query.Relaxed, boundMS: 60_000})
		for i := range r.settings.MaxAttempts {
			w := r.start(fmt.Sprintf("victim%d", i), func(_ *serving.Options, m *mortal) { m.cut = "before finish" })
			<-time.After(10 * time.Second)
			r.end(w)
			<-time.After(10 * time.Second) // the lease is over
		}
		w := r.start("w", nil)
		if rec := r.want("q", query.Failed); rec.Outcome.Failure.Code != query.TooOften {
			t.Errorf("failure %+v", rec.Outcome.Failure)
		}
		r.end(w)
		if n := r.answers.ran("input of q"); n != r.settings.MaxAttempts {
			t.Errorf("ran %d times", n)
		}
		r.wantDepth(cloud.DeadLetters, 1)
	})
}

// A drain fences, finishes what runs and gives back what waits, for another
// worker to answer at once.
func TestDrainFinishesAndReleases(t *testing.T) {
	for _, by := range []string{"signal", "order"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				defer r.close()
				r.settings.LookAheadMS = 1000
				r.answers.started = make(chan string, 9)
				for i := range 3 {
					r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Relaxed, boundMS: 60_000})
				}
				w := r.start("w1", nil)
				<-r.answers.started
				synctest.Wait() // it has reported: the fleet knows whom to order
				if by == "signal" {
					w.stop()
				} else if err := r.Fleet.Drain(t.Context(), pool, "w1"); err != nil {
					t.Fatal(err)
				}
				if err := <-w.done; err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				w2 := r.start("w2", nil)
				for i := range 3 {
					if o := r.want(fmt.Sprint(i), query.Succeeded).Outcome; o.Attempts != 0 {
						t.Errorf("query %d: a drain counted as a failed attempt", i)
					}
				}
				if took := time.Since(began); took > 400*time.Millisecond {
					t.Errorf("the rest took %v: it was not given back", took)
				}
				r.end(w2)
				for i := range 3 {
					if n := r.answers.ran(fmt.Sprintf("input of %d", i)); n != 1 {
						t.Errorf("query %d ran %d times", i, n)
					}
				}
			})
		})
	}
}

// A worker that was declared dead stops at once and writes nothing.
func TestRevokedWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.answers.started = make(chan string, 9)
		r.submit(ask{id: "q", model: "slow", class: query.Relaxed, boundMS: 60_000})
		r.settings.ViewSeconds = 0.1
		w := r.start("w1", nil)
		<-r.answers.started
		if err := r.home.MarkGone(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
		if err := <-w.done; !errors.Is(err, cloud.ErrRevoked) {
			t.Errorf("it ended with %v", err)
		}
		if len(r.wins.won) != 0 {
			t.Errorf("it wrote %v", r.wins.won)
		}
		w2 := r.start("w2", nil)
		if o := r.want("q", query.Succeeded).Outcome; o.RanOn.Name != "w2" {
			t.Errorf("answered by %s", o.RanOn.Name)
		}
		r.end(w2)
	})
}

// A report follows every change within half a view, and tells the work in hand.
func TestReportsWhatItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.LookAheadMS = 1000
		r.settings.ViewSeconds = 0.05
		r.answers.started = make(chan string, 9)
		w := r.start("w1", nil)
		<-time.After(time.Second) // idle: the next heartbeat is far away
		for i := range 3 {
			r.submit(ask{id: fmt.Sprint(i), model: "slow", class: query.Strict, boundMS: 1900})
		}
		<-r.answers.started
		<-time.After(60 * time.Millisecond)
		ws, err := r.Fleet.Workers(t.Context(), pool)
		if err != nil || len(ws) != 1 {
			t.Fatalf("workers %+v, error %v", ws, err)
		}
		got := ws[0]
		if age := time.Since(got.At); age > 60*time.Millisecond {
			t.Errorf("the report is %v old", age)
		}
		if got.State != cloud.Ready || got.Runners != 1 || got.Busy != 1 || got.HeldStrict != 2 || got.StrictMS < 250 || got.StrictMS > 300 {
			t.Errorf("report %+v", got)
		}
		r.end(w)
	})
}
