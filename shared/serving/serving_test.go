package serving_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/serving"
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
		r.wantDepth(platform.WorkQueue(pool, query.Strict), 0)
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
		if err := r.backend.MarkGone(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
		if err := <-w.done; !errors.Is(err, platform.ErrRevoked) {
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

// reportsCounted counts the reports of a worker.
type reportsCounted struct {
	serving.Fleet
	n atomic.Int64
}

func (f *reportsCounted) Report(ctx context.Context, r platform.WorkerReport) (platform.Orders, error) {
	f.n.Add(1)
	return f.Fleet.Report(ctx, r)
}

// A worker whose load changes all the time reports once in two views, or once a heartbeat
// where that is sooner.
func TestReportsAreBounded(t *testing.T) {
	for heartbeatSeconds, reports := range map[float64]int64{10: 10, 0.5: 40} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			defer r.close()
			r.settings.ViewSeconds, r.settings.HeartbeatSeconds = 1, heartbeatSeconds
			var counted *reportsCounted
			w := r.start("w1", func(o *serving.Options, way *mortal) {
				counted = &reportsCounted{Fleet: way}
				o.Fleet = counted
			})
			<-time.After(5 * time.Second)
			before := counted.n.Load()
			for i := range 100 {
				r.submit(ask{id: fmt.Sprint(i), model: "net", class: query.Strict, boundMS: 1900})
				<-time.After(200 * time.Millisecond)
			}
			if n := counted.n.Load() - before; n < reports-1 || n > reports+1 {
				t.Errorf("heartbeat %g s: %d reports in 20 s, want %d", heartbeatSeconds, n, reports)
			}
			r.end(w)
		})
	}
}

// A report follows every change within ReportSeconds, and states the work in hand.
func TestReportsWhatItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		defer r.close()
		r.settings.LookAheadMS = 1000
		r.settings.ViewSeconds = 0.025
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
		if got.State != platform.Ready || got.Runners != 1 || got.Busy != 1 || got.HeldStrict != 2 || got.StrictMS < 250 || got.StrictMS > 300 {
			t.Errorf("report %+v", got)
		}
		r.end(w)
	})
}
