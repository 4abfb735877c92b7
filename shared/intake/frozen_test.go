package intake

import (
	"github.com/paragon-serving/paragon/shared/core/workload"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/inference"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// A process that is no worker reports what functions ended in its requests and
// what it settled itself, at most once in heartbeat_seconds, and no end twice.
func TestEndsOfFunctionsAreReported(t *testing.T) {
	set := settings.Defaults()
	set.OverflowPath = "direct"
	done := query.Outcome{State: query.Succeeded, FinishedAt: start, RanOn: query.Runner{Kind: query.OnFunction, Name: "f"},
		Result: &query.Result{Label: "1", Index: 1}}
	d := newTestService(t, func(c *Config) {
		c.Functions, c.Settings, c.ID = functions(inference.Invoked{Outcome: &done}), func() settings.Settings { return set }, "api-1"
		c.Counts = tally.NewBook(start)
	})
	d.Reports = d.Backend.Fleet
	reported := func() (c tally.Counts) {
		t.Helper()
		if err := d.FlushDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := d.Backend.Fleet.Tallies(t.Context(), platform.FunctionsPool)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d processes reported, error %v", len(all), err)
		}
		for _, k := range tally.Group(all["api-1"].Tallies, tally.ByTask) {
			c = k.Counts
		}
		return c
	}
	ask := func(terms Terms) Answer {
		t.Helper()
		a, err := d.Take(t.Context(), "me", strictly(), terms)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ask(Terms{Wait: time.Second})
	if got := reported(); got.Arrived != 1 || got.Answered != 1 || got.Overflowed != 1 {
		t.Errorf("reported %+v", got)
	}
	for range 2 { // the second is a repeat
		ask(Terms{Wait: time.Second, Key: "k"})
	}
	if got := reported(); got.Answered != 1 {
		t.Errorf("reported %+v within a heartbeat", got)
	}
	later := ask(Terms{}) // its caller does not wait, and nobody answers it
	d.clock.advance(time.Hour)
	for range 2 {
		if r, _, err := d.Service.Wait(t.Context(), later.Record, time.Second); err != nil || r.State != query.Expired {
			t.Fatalf("%+v, error %v", r, err)
		}
	}
	if got := reported(); got.Arrived != 3 || got.Answered != 2 || got.Expired != 1 {
		t.Errorf("reported %+v", got)
	}
	if ws, err := d.Backend.Fleet.Workers(t.Context(), platform.FunctionsPool); err != nil || len(ws) > 0 {
		t.Errorf("workers %+v, error %v", ws, err)
	}
}

// Of those that wait, no more than a hundredth of the last two minutes' may, and
// none longer than others can share its line.
func TestFewArrivalsWait(t *testing.T) {
	now := start
	var a arrivals
	counts := func(n float64) map[arrival]workload.Demand {
		return map[arrival]workload.Demand{{second: now.Unix()}: {Queries: n}}
	}
	for _, step := range []struct {
		name    string
		wrote   float64 // before
		later   time.Duration
		arrived float64
		due     float64
	}{
		{"one of 99", 99, 0, 1, 1},
		{"two of 249", 150, 0, 2, 0},
		{"one more", 0, 0, 1, 3},
		{"two again", 0, 0, 2, 0},
		{"one in the next second", 0, time.Second, 1, 2},
		{"nothing came in the next", 0, time.Second, 0, 1},
		{"one two minutes after the last were written", 0, 2 * time.Minute, 1, 1},
	} {
		a.wrote(now, counts(step.wrote))
		now = now.Add(step.later)
		a.add(counts(step.arrived))
		got := 0.0
		for _, d := range a.due(now) {
			got += d.Queries
		}
		if got != step.due {
			t.Errorf("%s: %v are due, want %v", step.name, got, step.due)
		}
	}
}

// What arrivals ask for is written once a minute, all of it, and what is left at
// the end of the process.
func TestWhatArrivalsAskForIsWrittenNowAndThen(t *testing.T) {
	now := start
	var a arrivals
	lines, queries, work := 0, 0.0, 0.0
	write := func(counts map[arrival]workload.Demand) {
		for k, d := range counts {
			if k.task == "" {
				lines++
			}
			queries, work = queries+d.Queries, work+d.WorkMS
		}
	}
	for range 60 {
		a.count(now, "t", query.Strict, workload.Demand{Queries: 1, WorkMS: 3})
		write(a.due(now))
		if queries*3-work > 3*6 {
			t.Fatalf("%v queries are written, and %v ms of work", queries, work)
		}
		now = now.Add(10 * time.Second)
	}
	if lines != 10 {
		t.Errorf("written %d times in ten minutes", lines)
	}
	write(a.take())
	if queries != 60 || work != 180 {
		t.Errorf("%v queries and %v ms of work in all", queries, work)
	}
}
