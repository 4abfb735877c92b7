package intake

import (
	"testing"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/inference"
	"paragon/shared/core/query"
	"paragon/shared/core/settings"
	"paragon/shared/core/tally"
)

// A process that is no worker reports what functions ended in its requests and
// what it settled itself, at most once in heartbeat_seconds, and no end twice.
func TestEndsOfFunctionsAreReported(t *testing.T) {
	set := settings.Defaults()
	set.OverflowPath = "direct"
	done := query.Outcome{State: query.Succeeded, FinishedAt: start, RanOn: query.Runner{Kind: query.OnFunction, Name: "f"},
		Result: &query.Result{Label: "1", Index: 1}}
	d := newDesk(t, func(c *Config) {
		c.Functions, c.Settings, c.ID = functions(inference.Invoked{Outcome: &done}), func() settings.Settings { return set }, "api-1"
		c.Counts = tally.NewBook(start)
	})
	d.Reports = d.Home.Fleet
	reported := func() (c tally.Counts) {
		t.Helper()
		if err := d.FlushDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		all, err := d.Home.Fleet.Tallies(t.Context(), cloud.FunctionsPool)
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
	if ws, err := d.Home.Fleet.Workers(t.Context(), cloud.FunctionsPool); err != nil || len(ws) > 0 {
		t.Errorf("workers %+v, error %v", ws, err)
	}
}

// Of those that wait, no more than a hundredth of the last two minutes' may, and
// none for longer than the writes are apart.
func TestFewArrivalsWait(t *testing.T) {
	now := start
	var a arrivals
	one := map[arrival]demand{{second: now.Unix()}: {queries: 1}}
	write := func(n float64) { a.wrote(now, map[arrival]demand{{second: now.Unix()}: {queries: n}}) }
	wait := func(n int) bool {
		a.take()
		for range n {
			a.add(one)
		}
		return a.mayWait(now, 3*time.Second)
	}
	write(99)
	if wait(1) {
		t.Error("one may wait of 99")
	}
	write(150)
	if !wait(2) || wait(3) {
		t.Error("not two may wait of 249")
	}
	now = now.Add(2 * time.Second)
	if !wait(2) {
		t.Error("it may not wait for two seconds")
	}
	now = now.Add(time.Second)
	if wait(2) {
		t.Error("it may wait for three seconds")
	}
	now = start.Add(2 * time.Minute)
	one = map[arrival]demand{{second: now.Unix()}: {queries: 1}}
	if wait(1) {
		t.Error("what was written two minutes ago counts")
	}
}
