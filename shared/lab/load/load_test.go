package load_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// clock is the time of the synctest bubble.
var clock = load.Clock{Now: time.Now, Sleep: func(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}}

func plan(perSecond float64, length time.Duration) load.Plan {
	return load.Plan{
		Times: arrivals.Even(perSecond, length), StrictShare: 0.5, StrictMS: 100, RelaxedMS: 1000,
		Inputs: 7, MaxOutstanding: 1000, Grace: time.Minute, Seed: 1,
	}
}

func succeed(after time.Duration) load.Send {
	return func(ctx context.Context, s load.Shot) load.Answer {
		_ = clock.Sleep(ctx, after)
		return load.Answer{State: query.Succeeded, ServedBy: query.OnWorker, MetSLO: true, CostUSD: 1e-6}
	}
}

// The loop is open: queries are sent on time although none is answered yet.
func TestRunSendsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rows []load.Row
		load.Run(t.Context(), plan(10, 2*time.Second), clock, succeed(5*time.Second), func(r load.Row) { rows = append(rows, r) })
		if len(rows) != 20 {
			t.Fatalf("%d rows, want 20", len(rows))
		}
		for _, r := range rows {
			if r.Sent != r.Intended || r.Latency() != 5*time.Second {
				t.Errorf("due %s, sent %s, latency %s", r.Intended, r.Sent, r.Latency())
			}
		}
	})
}

// A server that stalls for most of a second is charged for every query that was due
// in it, also for those that were held back here meanwhile.
func TestLatencyIsFreeOfCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(10, 2*time.Second)
		p.MaxOutstanding = 1
		start, tally := time.Now(), load.NewTally()
		stall := func(ctx context.Context, s load.Shot) load.Answer {
			if left := 950*time.Millisecond - time.Since(start); left > 0 {
				_ = clock.Sleep(ctx, left)
			}
			return load.Answer{State: query.Succeeded}
		}
		var latency []time.Duration
		load.Run(t.Context(), p, clock, stall, func(r load.Row) { tally.Add(r); latency = append(latency, r.Latency()) })
		var want []time.Duration
		for i := range 20 {
			want = append(want, max(0, time.Duration(950-100*i)*time.Millisecond))
		}
		if d := cmp.Diff(want, latency); d != "" {
			t.Error(d)
		}
		if r := tally.Report(); r.All.LatencyMS.P50 > 1 || r.All.LatencyMS.Max < 949 || r.LateMS < 800 || r.HeldBack != 9 {
			t.Errorf("report %+v", r)
		}
	})
}

func TestOutstandingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(1000, time.Second)
		p.MaxOutstanding = 8
		var now, most atomic.Int64
		send := func(ctx context.Context, s load.Shot) load.Answer {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			return succeed(20*time.Millisecond)(ctx, s)
		}
		n := 0
		load.Run(t.Context(), p, clock, send, func(load.Row) { n++ })
		if most.Load() != 8 || n != 1000 {
			t.Errorf("%d at once, %d in all", most.Load(), n)
		}
	})
}

// What is never answered is given up after the grace, and counted as failed.
func TestGraceEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tally := load.NewTally()
		never := func(ctx context.Context, _ load.Shot) load.Answer {
			<-ctx.Done()
			return load.Answer{Fault: "given up"}
		}
		load.Run(t.Context(), plan(10, time.Second), clock, never, tally.Add)
		r := tally.Report()
		if r.All.Sent != 10 || r.All.Failed != 10 || r.All.Faults["given up"] != 10 || r.All.MetPercent != 0 {
			t.Errorf("report %+v", r.All)
		}
	})
}

func TestStoppedRunKeepsItsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		load.Run(ctx, plan(10, time.Hour), clock, succeed(time.Millisecond), func(load.Row) {
			if n++; n == 25 {
				cancel()
			}
		})
		if n < 25 || n > 26 {
			t.Errorf("%d rows", n)
		}
	})
}

// A seed decides classes and pictures, and nothing else does.
func TestSeed(t *testing.T) {
	shots := func(seed uint64) []string {
		var out []string
		synctest.Test(t, func(t *testing.T) {
			p := plan(100, 5*time.Second)
			p.Seed = seed
			load.Run(t.Context(), p, clock, succeed(time.Millisecond), func(r load.Row) {
				out = append(out, fmt.Sprint(r.Shot))
			})
		})
		return out
	}
	first := shots(1)
	if !slices.Equal(first, shots(1)) {
		t.Error("one seed, two runs")
	}
	if slices.Equal(first, shots(2)) {
		t.Error("two seeds, one run")
	}
}

func TestReport(t *testing.T) {
	tally := load.NewTally()
	for i := range 100 {
		r := load.Row{
			Intended: time.Duration(i) * time.Millisecond, Sent: time.Duration(i) * time.Millisecond,
			Shot:   load.Shot{Class: query.Strict, LatencyMS: 50},
			Answer: load.Answer{State: query.Succeeded, ServedBy: query.OnWorker, MetSLO: true, CostUSD: 2e-6},
		}
		r.Done = r.Intended + time.Duration(i+1)*time.Millisecond
		if i%4 == 0 {
			r.Answer.ServedBy, r.Answer.Cold = query.OnFunction, i == 0
		}
		tally.Add(r)
	}
	tally.Add(load.Row{Shot: load.Shot{Class: query.Relaxed}, Answer: load.Answer{State: query.Expired, Fault: "expired"}})
	r := tally.Report()
	near := func(name string, got, want float64) {
		if math.Abs(got-want) > 0.002*want {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	near("p50", r.Strict.LatencyMS.P50, 50)
	near("p99", r.Strict.LatencyMS.P99, 99)
	near("max", r.Strict.LatencyMS.Max, 100)
	near("met", r.Strict.MetPercent, 50)
	near("met by the server", r.Strict.ServerMetPercent, 100)
	near("functions", r.Strict.FunctionsPercent, 25)
	near("workers", r.Strict.WorkersPercent, 75)
	near("a million", r.Strict.CostPerMillion, 2)
	if r.Strict.ColdStarts != 1 || r.Relaxed.Failed != 1 || r.All.Faults["expired"] != 1 || r.All.Sent != 101 {
		t.Errorf("report %+v", r)
	}
}

func TestEmptyReport(t *testing.T) {
	r := load.NewTally().Report()
	if r.All.Sent != 0 || r.All.MetPercent != 0 || r.SentPerS != 0 || math.IsNaN(r.All.MeanCostUSD) {
		t.Errorf("report %+v", r)
	}
}

// The shares of keys, repeats and callers that do not wait are kept, no two queries have
// one key, only answered ones are repeated, and classes are as without.
func TestKeysAndRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(100, 20*time.Second)
		var plain []query.Class
		load.Run(t.Context(), p, clock, succeed(0), func(r load.Row) { plain = append(plain, r.Shot.Class) })
		p.KeyedShare, p.RepeatShare, p.AsyncShare, p.Keys = 0.5, 0.4, 0.25, "run"
		p.Again = func(_ context.Context, s load.Shot, first load.Answer) load.Repeat {
			if s.Key == "" || first.State != query.Succeeded {
				t.Errorf("sent again: %+v, %+v", s, first)
			}
			return load.SameAnswer
		}
		keys, async, failed := map[string]bool{}, 0, 0
		fail := func(ctx context.Context, s load.Shot) load.Answer {
			if s.Input == 0 {
				return load.Answer{State: query.Failed}
			}
			return load.Answer{State: query.Succeeded}
		}
		tally := load.NewTally()
		var classes []query.Class
		load.Run(t.Context(), p, clock, fail, func(r load.Row) {
			tally.Add(r)
			classes = append(classes, r.Shot.Class)
			if r.Shot.Key != "" && keys[r.Shot.Key] {
				t.Errorf("two queries have the key %s", r.Shot.Key)
			}
			keys[r.Shot.Key] = true
			if r.Shot.Async {
				async++
			}
			if r.Shot.Repeat && r.Answer.Repeat == "" {
				failed++
			}
		})
		r := tally.Report().All
		if r.Keyed < 900 || r.Keyed > 1100 || r.Repeats < 270 || r.Repeats > 420 || async < 420 || async > 580 || failed == 0 {
			t.Errorf("%d keyed, %d repeats, %d async, %d not repeated of 2000", r.Keyed, r.Repeats, async, failed)
		}
		if !slices.Equal(plain, classes) {
			t.Error("keys change the classes")
		}
	})
}

// What was accepted and has no end is lost; what was refused, or ended, is not.
func TestLostIsCounted(t *testing.T) {
	tally := load.NewTally()
	for _, a := range []load.Answer{
		{Accepted: true, State: query.Accepted}, {Accepted: true, State: query.Expired}, {Accepted: true, State: query.Succeeded, Repeat: load.OtherAnswer}, {},
	} {
		tally.Add(load.Row{Answer: a})
	}
	if r := tally.Report().All; r.Lost != 1 || r.RepeatsDiffering != 1 || r.Repeats != 1 {
		t.Errorf("%+v", r)
	}
}
