package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
)

// rows is a timeline in memory. A row that was stored never becomes another one.
type rows struct {
	t     *testing.T
	of    map[time.Duration]map[time.Time]timeline.Row
	puts  int
	fails bool
}

func newRows(t *testing.T) *rows {
	return &rows{t: t, of: map[time.Duration]map[time.Time]timeline.Row{time.Minute: {}, 10 * time.Minute: {}, time.Hour: {}}}
}

func (r *rows) PutTimeline(_ context.Context, stored ...timeline.Stored) error {
	if r.fails {
		return errors.New("throttled")
	}
	for _, s := range stored {
		r.puts++
		s.Row.At = s.Row.At.UTC()
		if was, there := r.of[s.Step][s.Row.At]; there {
			if d := cmp.Diff(was, s.Row); d != "" {
				r.t.Errorf("the row of %v at %v was stored before, and otherwise:\n%s", s.Step, s.Row.At, d)
			}
		}
		r.of[s.Step][s.Row.At] = s.Row
	}
	return nil
}

// Timeline is for readers: a controller reads nothing of the past.
func (r *rows) Timeline(context.Context, time.Duration, time.Time, time.Time) ([]timeline.Row, error) {
	return nil, errors.New("a controller reads the past")
}

// sums are the answers in the rows of a step, and what they cost.
func (r *rows) sums(step time.Duration) (answered int64, usd float64) {
	for _, row := range r.of[step] {
		usd += row.CostUSD
		for _, t := range row.Tallies {
			answered += t.Answered
		}
	}
	return answered, usd
}

// Whatever of two controllers that overlap dies, at whatever moment, and whenever the
// store takes no row: each answer is in one row of each step. Of a stage at rest nothing
// is written, and no row has nothing in it.
func TestThePastCountsEachAnswerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared, past := &counted{tallies: map[string]map[string]tally.Snapshot{}}, &values{}, newRows(t)
		a, b := r.recorder(fleet, shared, past), r.recorder(fleet, shared, past)
		random, book, total := rand.New(rand.NewPCG(7, 8)), tally.NewBook(time.Now()), int64(0)
		r.publish(a, fleet)
		for step := range 500 { // 10 s each
			if step%60 < 30 {
				n := random.IntN(4)
				answer(book, n)
				total += int64(n)
			}
			fleet.report(pool, "w", book)
			past.fails = random.IntN(4) == 0
			<-time.After(10 * time.Second)
			r.publish(a, fleet)
			if random.IntN(3) > 0 {
				r.publish(b, fleet)
			}
			switch random.IntN(30) {
			case 0:
				a, b = b, r.recorder(fleet, shared, past)
			case 1:
				shared.fail = errors.New("the answer was lost")
			default:
				shared.fail = nil
			}
		}
		past.fails, shared.fail = true, nil
		delete(fleet.tallies, pool) // the worker has left
		rest := func() {
			for range 130 {
				<-time.After(time.Minute)
				r.publish(a, fleet)
			}
		}
		rest() // the last rows can be stored only when nothing more is counted
		past.fails = false
		rest()
		for step, minutes := range map[time.Duration]int{time.Minute: 55, 10 * time.Minute: 10, time.Hour: 2} {
			if got, _ := past.sums(step); got != total || len(past.of[step]) > minutes {
				t.Errorf("%d rows of %v hold %d answers, want %d", len(past.of[step]), step, got, total)
			}
		}
		for at, row := range past.of[time.Minute] {
			if len(row.Tallies) == 0 {
				t.Errorf("the row of %v has nothing in it", at)
			}
		}
		writes, puts := shared.writes, past.puts
		if rest(); shared.writes != writes || past.puts != puts {
			t.Errorf("a stage at rest wrote %d values and %d rows", shared.writes-writes, past.puts-puts)
		}
	})
}

// workerUSD is what an hour of a worker costs.
const workerUSD = 0.085

// Workers are paid for by their time, and answers of functions by what each cost.
func TestThePastHasTheFleetAndItsCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, past, book := &counted{tallies: map[string]map[string]tally.Snapshot{}, workers: 2}, newRows(t), tally.NewBook(time.Now())
		c := r.recorder(fleet, &values{}, past)
		book.Ended(tally.Key{Task: "t", Model: "m", Class: query.Strict, Resource: "c5.large"}, tally.Observation{State: query.Succeeded, CostUSD: 50})
		book.Ended(tally.Key{Task: "t", Model: "m", Class: query.Strict, Resource: "x86_64", MemoryMB: 512}, tally.Observation{State: query.Succeeded, CostUSD: 100})
		for range 90 * 6 {
			fleet.report(platform.FunctionsPool, "f", book)
			r.publish(c, fleet)
			<-time.After(10 * time.Second)
		}
		_, usd := past.sums(time.Hour)
		if hours := usd - 100; !(hours > 0.9*2*workerUSD && hours < 1.1*2*workerUSD) || len(past.of[time.Hour]) != 1 {
			t.Errorf("an hour of two workers cost $%v and functions $100, in rows %v", hours, past.of[time.Hour])
		}
		for _, row := range past.of[time.Hour] {
			if row.Ready != 2*float64(row.Samples) || row.Samples < 300 {
				t.Errorf("%v workers in %d samples", row.Ready, row.Samples)
			}
		}
	})
}

// What is written a minute is what the bill counts: of three models in two classes, on a
// worker and on functions.
func TestThePastTakesWhatTheBillCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		fleet, shared, past := &counted{tallies: map[string]map[string]tally.Snapshot{}, workers: 1}, &values{}, newRows(t)
		c, random := r.recorder(fleet, shared, past), rand.New(rand.NewPCG(1, 2))
		worker, function := tally.NewBook(time.Now()), tally.NewBook(time.Now())
		for range 2 * 70 {
			for i := range 60 {
				o := tally.Observation{State: query.Succeeded, Met: true, LatencyMS: 20 + 30*random.ExpFloat64(), WaitMS: 10 * random.ExpFloat64(), ComputeMS: 10 + random.ExpFloat64(), CostUSD: 1.2e-6}
				k := tally.Key{Task: "t", Model: fmt.Sprint("model-", i%3), Class: []query.Class{query.Strict, query.Relaxed}[i%2], Resource: "c5.large"}
				worker.Ended(k, o)
				if k.Resource, k.MemoryMB = "arm64", 1769; i%10 == 0 {
					function.Ended(k, o)
				}
			}
			fleet.report(pool, "i-0123456789abcdef0", worker)
			fleet.report(platform.FunctionsPool, "dispatcher-01", function)
			r.publish(c, fleet)
			<-time.After(30 * time.Second)
		}
		rest := pricing.AtRest(pricing.Deployment{Tasks: 1, Pools: 1, TickSeconds: 10, ViewSeconds: 1})
		const minutes, keysBytes = 69, 100
		units := float64((len(shared.value) + keysBytes + 1023) / 1024)
		if rows := float64(past.puts) / minutes; units != rest.BusyCountUnitsPerMinute || rows < rest.BusyPastRowsPerMinute-0.05 || rows > rest.BusyPastRowsPerMinute+0.05 {
			t.Errorf("%v units and %v rows a minute, the bill counts %v and %v", units, rows, rest.BusyCountUnitsPerMinute, rest.BusyPastRowsPerMinute)
		}
		for at, row := range past.of[time.Minute] {
			if raw, err := json.Marshal(row); err != nil || len(raw) > 2<<10 {
				t.Errorf("the row of %v has %d bytes before it is packed, error %v", at, len(raw), err)
			}
		}
	})
}
