package tally

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/query"
)

// total counts the answers of all tallies.
func total(ts []Tally) (answered int64) {
	for _, t := range ts {
		answered += t.Answered
	}
	return answered
}

// worker is a process that answers queries, for tests.
type worker struct {
	name  string
	since time.Time
	book  *Book
}

func newWorker(name string, since time.Time) *worker { return &worker{name, since, NewBook(since)} }

func (w *worker) answer(n int) {
	for range n {
		w.book.Ended(key("m"), Observation{State: query.Succeeded, Met: true, LatencyMS: 10, ComputeMS: 5, CostUSD: 1e-6})
	}
}

func TestTracker(t *testing.T) {
	tr := NewTracker(start)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	old, w := newWorker("old", start.Add(-2*time.Hour)), newWorker("w", at(1))
	again := newWorker("w", at(50))
	var late Snapshot
	for _, step := range []struct {
		name string
		do   func() (string, Snapshot, time.Time)
		want int64
	}{
		{"one that was there before starts from here", func() (string, Snapshot, time.Time) { old.answer(1000); return "old", old.book.Snapshot(at(1)), at(1) }, 0},
		{"and then counts", func() (string, Snapshot, time.Time) { old.answer(3); return "old", old.book.Snapshot(at(2)), at(2) }, 3},
		{"a new one counts from zero", func() (string, Snapshot, time.Time) {
			w.answer(5)
			late = w.book.Snapshot(at(3))
			return "w", late, at(3)
		}, 5},
		{"nothing more", func() (string, Snapshot, time.Time) { return "w", w.book.Snapshot(at(4)), at(4) }, 0},
		{"the same once more", func() (string, Snapshot, time.Time) { w.answer(7); return "w", late, at(5) }, 0},
		{"what came in between", func() (string, Snapshot, time.Time) { w.answer(1); return "w", w.book.Snapshot(at(6)), at(6) }, 8},
		{"it starts again, having counted more than before", func() (string, Snapshot, time.Time) {
			again.answer(100)
			return "w", again.book.Snapshot(at(60)), at(60)
		}, 100},
		{"a word of the process before", func() (string, Snapshot, time.Time) { w.answer(9); return "w", w.book.Snapshot(at(61)), at(61) }, 0},
		{"it goes on", func() (string, Snapshot, time.Time) { again.answer(1); return "w", again.book.Snapshot(at(62)), at(62) }, 1},
	} {
		if got := total(tr.Advance(step.do()).Tallies); got != step.want {
			t.Errorf("%s: %d, want %d", step.name, got, step.want)
		}
	}
	hours := start.Add(3 * time.Hour)
	tr.Forget(hours)
	if len(tr.Sources) != 0 {
		t.Errorf("%d sources are remembered", len(tr.Sources))
	}
	if got := total(tr.Advance("w", again.book.Snapshot(hours), hours).Tallies); got != 0 {
		t.Errorf("one that was forgotten counts %d twice", got)
	}
}

// However sources start, stop, restart and report, nothing is lost of what they
// reported and nothing counts twice. Only the first report of a source that is
// unknown and began more than an hour ago counts nothing: it may have been
// forgotten, and then it has counted already.
func TestTheTrackerLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr, now := NewTracker(start), start
		workers, reported, known := map[string]*worker{}, map[*worker]int64{}, map[string]bool{}
		var answered, followed int64
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second)
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "worker")
			w := workers[name]
			if w == nil || rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				w = newWorker(name, now)
				workers[name] = w
			}
			n := rapid.IntRange(0, 5).Draw(t, "answers")
			w.answer(n)
			reported[w] += int64(n)
			if rapid.Bool().Draw(t, "reports") {
				followed += total(tr.Advance(name, w.book.Snapshot(now), now).Tallies)
				if known[name] || now.Sub(w.since) <= sourceKept {
					answered += reported[w]
				}
				known[name] = true
				reported[w] = 0
			}
			if rapid.IntRange(0, 4).Draw(t, "restore") == 0 {
				again(t, tr, &tr)
			}
		}
		if followed != answered {
			t.Fatalf("%d of %d were followed", followed, answered)
		}
	})
}

// again encodes a value and decodes it, as a new process does.
func again(t *rapid.T, from, to any) {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAWindowHoldsItsLengthAndASlotMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, now := newWindow(10*time.Second, 6), start
		var at []time.Time
		for range rapid.IntRange(1, 50).Draw(t, "answers") {
			now = now.Add(time.Duration(rapid.IntRange(0, 15000).Draw(t, "ms")) * time.Millisecond)
			late := now.Add(-time.Duration(rapid.IntRange(0, 20000).Draw(t, "late")) * time.Millisecond)
			at = append(at, late)
			w.Add(late, []Tally{{Key: key("m"), Counts: Counts{Answered: 1}}})
			var least, most int64
			for _, a := range at {
				if now.Sub(a) <= time.Minute {
					least++
				}
				if now.Sub(a) < 70*time.Second {
					most++
				}
			}
			if got := total(w.Sum(now)); got < least || got > most {
				t.Fatalf("%d at %v, want %d to %d", got, now, least, most)
			}
			if len(w.kept) > 7+2 {
				t.Fatalf("%d slots are kept", len(w.kept))
			}
		}
	})
}

func TestHistory(t *testing.T) {
	h := NewHistory(start)
	a, b := newWorker("a", start), newWorker("b", start)
	now := start
	pass := func(seconds, ofA, ofB int) {
		now = now.Add(time.Duration(seconds) * time.Second)
		a.answer(ofA)
		b.answer(ofB)
		h.Feed("a", a.book.Snapshot(now.Add(5*time.Second)), now) // its clock is ahead
		if ofB > 0 {
			h.Feed("b", b.book.Snapshot(now), now)
		}
	}
	hold := func(what string, minute, hour int64) {
		t.Helper()
		got := h.Summary(now)
		for name, w := range map[string]struct {
			loads []Load
			want  int64
		}{"minute": {got.Minute, minute}, "hour": {got.Hour, hour}} {
			var n int64
			if len(w.loads) > 0 {
				n = w.loads[0].Answered
			}
			if n != w.want || len(w.loads) != 0 && (len(w.loads) != 2 || w.loads[0].Task != "" || w.loads[1].Task != "t" || w.loads[1].Answered != n) {
				t.Errorf("%s: the last %s is %+v, want %d", what, name, w.loads, w.want)
			}
		}
	}
	hold("at first", 0, 0)
	pass(20, 10, 5)
	hold("two workers", 15, 15)
	pass(120, 3, 0)
	hold("one went away", 3, 18)
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	h = new(History)
	if err := json.Unmarshal(text, h); err != nil {
		t.Fatal(err)
	}
	hold("another process reads it", 3, 18)
	pass(30, 2, 0)
	hold("and goes on", 5, 20)
	pass(3900, 1, 0)
	hold("an hour and a slot later", 1, 1)
	c := newWorker("c", now)
	c.answer(4)
	h.Feed("c", c.book.Snapshot(now), now)
	hold("a third worker", 5, 5)
	h.ForgetSources(now)
	pass(1, 1, 0)
	h.Feed("c", c.book.Snapshot(now), now)
	hold("without sources each starts from its next snapshot", 5, 5)
	if err := json.Unmarshal([]byte(`{"tracker":{"sources":{"a":{"last":{"tallies":[{"latency":{"buckets":[1]}}]}}}}}`), h); err == nil {
		t.Error("what is broken was taken for a history")
	}
}

func TestSummary(t *testing.T) {
	h, b := NewHistory(start), NewBook(start)
	strict := Key{Task: "t", Model: "m", Class: query.Strict, Resource: "c5.large"}
	function := Key{Task: "u", Model: "n", Class: query.Strict, Resource: "lambda-x86_64", MemoryMB: 1769}
	b.Arrived("t", query.Strict, 2)
	b.Ended(strict, Observation{State: query.Succeeded, Met: true, LatencyMS: 10, WaitMS: 2, ComputeMS: 8, CostUSD: 0.0123456789})
	b.Ended(function, Observation{State: query.Succeeded, Overflowed: true, LatencyMS: 100, ComputeMS: 50})
	b.Ended(Key{Task: "t", Class: query.Relaxed}, Observation{State: query.Expired})
	now := start.Add(time.Second)
	h.Feed("w", b.Snapshot(now), now)
	near := func(ms float64) Quantiles { return QuantilesOf(NewHistogram(ms)) }
	of := func(task string, class query.Class, c Counts, latency, wait Quantiles) Load {
		return Load{Key{Task: task, Class: class}, c, latency, wait}
	}
	both := NewHistogram(10, 100)
	want := []Load{
		of("", query.Relaxed, Counts{Expired: 1}, Quantiles{}, Quantiles{}),
		of("", query.Strict, Counts{Arrived: 2, Answered: 2, Met: 1, Overflowed: 1, CostUSD: 0.012346}, QuantilesOf(both), QuantilesOf(NewHistogram(2, 0))),
		of("t", query.Relaxed, Counts{Expired: 1}, Quantiles{}, Quantiles{}),
		of("t", query.Strict, Counts{Arrived: 2, Answered: 1, Met: 1, CostUSD: 0.012346}, near(10), near(2)),
		of("u", query.Strict, Counts{Answered: 1, Overflowed: 1}, near(100), near(0)),
	}
	got := h.Summary(now)
	if d := cmp.Diff(Summary{At: now, Since: start, Minute: want, Hour: want, FiveMinutes: []ClassCounts{{query.Relaxed, Counts{Expired: 1}}, {query.Strict, Counts{Answered: 2, Met: 1}}},
		Runs: []Run{
			{Key{Task: "t", Model: "m", Resource: "c5.large"}, 1, near(8)}, {Key{Task: "u", Model: "n", Resource: "lambda-x86_64", MemoryMB: 1769}, 1, near(50)},
		}}, got); d != "" {
		t.Error(d)
	}
}

func TestASummaryHasAnEnd(t *testing.T) {
	h, b := NewHistory(start), NewBook(start)
	for i := range MaxKeys {
		for range i + 1 {
			b.Ended(key(fmt.Sprintf("m%03d", i)), Observation{State: query.Succeeded, LatencyMS: 1, ComputeMS: 1})
		}
	}
	now := start.Add(time.Second)
	h.Feed("w", b.Snapshot(now), now)
	got := h.Summary(now).Runs
	if len(got) != maxRuns || got[0].Model != "m192" || got[maxRuns-1].Model != "m255" {
		t.Errorf("%d runs, from %s", len(got), got[0].Model)
	}
}
