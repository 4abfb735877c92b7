package tally

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/paragon-serving/paragon/shared/core/query"
)

func TestBurnRate(t *testing.T) {
	for name, c := range map[string]struct {
		counts Counts
		want   float64
		known  bool
	}{
		"nothing ended":                   {Counts{Arrived: 7, Cancelled: 2}, 0, false},
		"bad input alone":                 {Counts{BadInput: 3}, 0, false},
		"no miss":                         {Counts{Answered: 100, Met: 100}, 0, true},
		"as many misses as are allowed":   {Counts{Answered: 200, Met: 198}, 1, true},
		"late, failed and expired misses": {Counts{Answered: 90, Met: 85, Failed: 6, Expired: 4}, 15, true},
		"all missed":                      {Counts{Expired: 5}, 100, true},
		"bad input is no miss":            {Counts{Answered: 99, Met: 99, Failed: 1, BadInput: 50, Cancelled: 9}, 1, true},
	} {
		if got, known := c.counts.BurnRate(); math.Abs(got-c.want) > 1e-9 || known != c.known {
			t.Errorf("%s: %g %t, want %g %t", name, got, known, c.want, c.known)
		}
	}
}

// A summary has the counts of five minutes, by class, also when its history was
// stored in between.
func TestASummaryHasFiveMinutes(t *testing.T) {
	h, w := NewHistory(start), NewBook(start)
	end := func(class query.Class, n int, o Observation) {
		for range n {
			w.Ended(Key{Task: "t", Model: "m", Class: class}, o)
		}
	}
	met, expired := Observation{State: query.Succeeded, Met: true}, Observation{State: query.Expired}
	end(query.Strict, 50, expired)
	h.Feed("w", w.Snapshot(start), start)
	now := start.Add(20 * time.Minute)
	end(query.Strict, 8, met)
	end(query.Strict, 2, expired)
	end(query.Relaxed, 3, Observation{State: query.Cancelled})
	h.Feed("w", w.Snapshot(now), now)
	text, err := h.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var again History
	if err := again.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	want := []ClassCounts{{query.Strict, Counts{Answered: 8, Met: 8, Expired: 2}}}
	if diff := cmp.Diff(want, again.Summary(now.Add(4*time.Minute)).FiveMinutes); diff != "" {
		t.Error(diff)
	}
	if got := again.Summary(now.Add(10 * time.Minute)).FiveMinutes; got != nil {
		t.Errorf("ten minutes later: %+v", got)
	}
}

// Rates are of the queries of a class that ended within their window, and of none that
// ended before it.
func TestBurnRatesOfWindows(t *testing.T) {
	b := NewBurns()
	misses := func(at time.Duration, answered, met int64) {
		b.Add(start.Add(at), []Tally{{Key: Key{Task: "t", Model: "m", Class: query.Strict}, Counts: Counts{Answered: answered, Met: met}}})
	}
	misses(0, 100, 90)
	if d := cmp.Diff([]Burn{{query.Strict, "5m", 10}, {query.Strict, "1h", 10}}, b.Rates(start.Add(time.Minute))); d != "" {
		t.Errorf("after a minute (-want +got):\n%s", d)
	}
	misses(30*time.Minute, 100, 100)
	for _, c := range []struct {
		at   time.Duration
		want []Burn
	}{
		{31 * time.Minute, []Burn{{query.Strict, "5m", 0}, {query.Strict, "1h", 5}}},
		{50 * time.Minute, []Burn{{query.Strict, "1h", 5}}},
		{70 * time.Minute, []Burn{{query.Strict, "1h", 0}}},
		{3 * time.Hour, nil},
	} {
		if d := cmp.Diff(c.want, b.Rates(start.Add(c.at))); d != "" {
			t.Errorf("after %v (-want +got):\n%s", c.at, d)
		}
	}
}

// A summary knows the burn rates that one machine counts.
func TestASummaryHasTheBurnRates(t *testing.T) {
	h, b, w := NewHistory(start), NewBurns(), NewBook(start)
	for i, o := range []Observation{{State: query.Succeeded, Met: true}, {State: query.Succeeded, Met: true}, {State: query.Expired}} {
		w.Ended(Key{Task: []string{"t", "u"}[i%2], Model: "m", Class: query.Strict}, o)
	}
	w.Ended(Key{Task: "t", Model: "m", Class: query.Relaxed}, Observation{State: query.Failed})
	now := start.Add(time.Minute)
	b.Add(now, h.Feed("w", w.Snapshot(now), now))
	for _, at := range []time.Time{now, now.Add(20 * time.Minute)} {
		got, want := h.Summary(at).Burns(), b.Rates(at)
		byClass := cmpopts.SortSlices(func(a, b Burn) bool { return a.Window+string(a.Class) < b.Window+string(b.Class) })
		if d := cmp.Diff(want, got, byClass); d != "" || len(got) < 2 {
			t.Errorf("at %v: %s", at, d)
		}
	}
}
