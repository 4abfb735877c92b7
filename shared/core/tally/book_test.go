package tally

import (
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/query"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func key(model string) Key {
	return Key{Task: "t", Model: model, Class: query.Strict, Resource: "c5.large"}
}

func TestBookCountsByState(t *testing.T) {
	b := NewBook(start)
	b.Arrived("t", query.Strict, 7)
	b.Refused("", "t", query.Strict)
	k := key("m")
	for _, o := range []Observation{
		{State: query.Succeeded, Met: true, LatencyMS: 10, WaitMS: 2, ComputeMS: 8, CostUSD: 1},
		{State: query.Succeeded, Overflowed: true, Cold: true, LatencyMS: 900, WaitMS: 300, CostUSD: 2},
		{State: query.Failed, LatencyMS: 5, CostUSD: math.NaN()}, {State: query.Failed, Callers: true}, {State: query.Expired, CostUSD: -1}, {State: query.Cancelled}, {State: query.Accepted, CostUSD: 7},
	} {
		b.Ended(k, o)
	}
	got := b.Snapshot(start.Add(time.Minute))
	want := Snapshot{Since: start, At: start.Add(time.Minute), Tallies: []Tally{
		{Key: Key{Task: "t", Class: query.Strict}, Counts: Counts{Arrived: 7, Refused: 1}},
		{Key: k, Counts: Counts{Answered: 2, Failed: 1, Expired: 1, Cancelled: 1, BadInput: 1, Met: 1, Overflowed: 1, ColdStarts: 1, CostUSD: 3},
			Latency: NewHistogram(10, 900), Wait: NewHistogram(2, 300), Compute: NewHistogram(8), CostSquares: 5},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := got.Tallies[1].Ended(); n != 4 {
		t.Errorf("%d ended that count towards bounds, want 4", n)
	}
}

// A run that failed by its model's fault counts apart from how its query ended.
func TestFaultsAreCounted(t *testing.T) {
	b := NewBook(start)
	b.Faulted(key("m"))
	(*Book)(nil).Faulted(key("m"))
	first := b.Snapshot(start)
	b.Faulted(key("m"))
	got := b.Snapshot(start).Tallies[0]
	if got.Faults != 2 || got.Ended() != 0 || got.Minus(first.Tallies[0]).Faults != 1 || got.Merge(got).Faults != 4 {
		t.Errorf("%+v", got)
	}
}

// What the caller got wrong is no miss of the stage's: neither bad input nor an upload
// that is gone.
func TestTheCallersFaultIsNoFailure(t *testing.T) {
	for code, want := range map[query.FailureCode]Counts{
		query.BadInput: {BadInput: 1}, query.InputIsGone: {BadInput: 1}, query.ModelFault: {Failed: 1}, query.NoCapacity: {Failed: 1}, query.TooOften: {Failed: 1},
	} {
		b := NewBook(start)
		b.Settled(query.Record{State: query.Failed, Class: query.Strict, Owner: "ann", Outcome: &query.Outcome{State: query.Failed, Failure: &query.Failure{Code: code}}})
		got := b.Snapshot(start)
		if got.Tallies[0].Counts != want || got.Owners[0].Queries() != 1 || got.Owners[0].Ended() != want.Failed {
			t.Errorf("%s: %+v", code, got)
		}
		if d := got.Tallies[0].Merge(got.Tallies[0]).Minus(got.Tallies[0]).Counts; d != want {
			t.Errorf("%s: twice less once is %+v", code, d)
		}
	}
}

// Only a warm run, alone and at its own pace, says how long a model takes.
func TestOf(t *testing.T) {
	at := func(ms float64) time.Time { return start.Add(query.Duration(ms)) }
	worker := query.Runner{Kind: query.OnWorker, Name: "w", Resource: "c5.large"}
	function := query.Runner{Kind: query.OnFunction, Name: "f", Resource: "lambda-x86_64", MemoryMB: 1769}
	cold, paced := function, worker
	cold.Cold, paced.Paced = true, true
	for _, tt := range []struct {
		name string
		out  *query.Outcome
		s    query.State
		key  Key
		want Observation
	}{
		{"on a worker, in time", &query.Outcome{RanOn: worker, StartedAt: at(3), FinishedAt: at(11), ComputeMS: 8, CostUSD: 1}, query.Succeeded,
			Key{Resource: "c5.large"}, Observation{Met: true, LatencyMS: 11, WaitMS: 3, ComputeMS: 8, CostUSD: 1}},
		{"on a function, late", &query.Outcome{RanOn: function, FinishedAt: at(501), ComputeMS: 40}, query.Succeeded,
			Key{Resource: "lambda-x86_64", MemoryMB: 1769}, Observation{Overflowed: true, LatencyMS: 501, ComputeMS: 40}},
		{"cold", &query.Outcome{RanOn: cold, FinishedAt: at(400), ComputeMS: 40}, query.Succeeded,
			Key{Resource: "lambda-x86_64", MemoryMB: 1769}, Observation{Met: true, Overflowed: true, Cold: true, LatencyMS: 400}},
		{"paced", &query.Outcome{RanOn: paced, FinishedAt: at(9), ComputeMS: 8}, query.Succeeded, Key{Resource: "c5.large"}, Observation{Met: true, LatencyMS: 9}},
		{"in a batch", &query.Outcome{RanOn: worker, FinishedAt: at(9), ComputeMS: 8, Batch: 2}, query.Succeeded, Key{Resource: "c5.large"}, Observation{Met: true, LatencyMS: 9}},
		{"failed", &query.Outcome{FinishedAt: at(9)}, query.Failed, Key{}, Observation{LatencyMS: 9}},
		{"without an outcome", nil, query.Expired, Key{}, Observation{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.key.Task, tt.key.Model, tt.key.Class, tt.want.State = "t", "m", query.Strict, tt.s
			k, o := Of(query.Record{Need: query.Need{Task: "t"}, Model: "m", Class: query.Strict, State: tt.s, AcceptedAt: start, DeadlineAt: at(500), Outcome: tt.out})
			if k != tt.key || o != tt.want {
				t.Errorf("%+v %+v, want %+v %+v", k, o, tt.key, tt.want)
			}
		})
	}
}

func TestABookHasAnEnd(t *testing.T) {
	b := NewBook(start)
	for i := range 2 * MaxKeys {
		b.Ended(key(fmt.Sprintf("m%d", i)), Observation{State: query.Succeeded})
		b.Arrived(fmt.Sprintf("t%d", i), "no class", 1)
	}
	got := b.Snapshot(start)
	if n := len(got.Tallies); n > MaxKeys+3 {
		t.Errorf("%d keys", n)
	}
	all := Group(got.Tallies, func(Key) Key { return Key{} })
	if len(all) != 1 || all[0].Answered != 2*MaxKeys || all[0].Arrived != 2*MaxKeys {
		t.Errorf("%+v", all)
	}
}

func TestSnapshotsAreDueNowAndThen(t *testing.T) {
	b, now := NewBook(start), start
	for _, step := range []struct {
		name    string
		seconds int
		answers int
		due     bool
	}{
		{"the first, though nothing was counted", 0, 0, true},
		{"too soon", 9, 1, false},
		{"in time", 1, 0, true},
		{"nothing more was counted", 10, 0, false},
		{"something was", 1, 1, true},
		{"nothing for less than a minute", 59, 0, false},
		{"nothing for a minute", 1, 0, true},
	} {
		now = now.Add(time.Duration(step.seconds) * time.Second)
		for range step.answers {
			b.Ended(key("m"), Observation{State: query.Succeeded})
		}
		got := b.Due(now, 10*time.Second)
		if got.IsZero() == step.due || step.due && !cmp.Equal(got, b.Snapshot(now)) {
			t.Errorf("%s: %+v", step.name, got)
		}
	}
}

// A breaker that opens on functions is reported at once, also by a process that reports
// rarely; one that is open, or closes by time, needs no report of its own.
func TestABreakerIsReportedAtOnce(t *testing.T) {
	b, now := NewBook(start), start
	var open []breaker.Open
	b.OnFunctions(func() []breaker.Open { return open })
	broken := []breaker.Open{{Model: "m", Until: start.Add(20 * time.Second), Why: "it broke"}}
	for _, step := range []struct {
		name    string
		seconds int
		open    []breaker.Open
		due     bool
	}{
		{"the first", 0, nil, true},
		{"all is well", 1, nil, false},
		{"it opens", 1, broken, true},
		{"it is open", 1, broken, false},
		{"it closes before its time", 1, nil, true},
		{"it opens once more", 1, broken, true},
		{"it closes by time", 16, nil, false},
	} {
		now, open = now.Add(time.Duration(step.seconds)*time.Second), step.open
		for name, due := range map[string]func(time.Time, time.Duration) Snapshot{"rarely": b.DueRarely, "Due": b.Due} {
			got := due(now, time.Minute)
			if got.IsZero() == step.due || step.due && !cmp.Equal(got.Broken, step.open) {
				t.Errorf("%s, %s: %+v", step.name, name, got)
			}
			step.due = false // once is enough
		}
	}
}

// What a process that reports rarely has not reported is little, and not old.
func TestRareReportsMissLittle(t *testing.T) {
	for _, tc := range []struct {
		every time.Duration // between two queries
		most  int           // reports of an hour
	}{{time.Second, 130}, {10 * time.Second, 40}, {33 * time.Second, 36}, {10 * time.Minute, 6}} {
		b, reports, reported, at := NewBook(start), 0, int64(0), start
		for now := start; now.Before(start.Add(time.Hour)); now = now.Add(tc.every) {
			b.Arrived("t", query.Strict, 1)
			b.Ended(key("m"), Observation{State: query.Succeeded})
			if !b.DueRarely(now, 10*time.Second).IsZero() {
				reports, reported, at = reports+1, b.observed.Load(), now
			}
			missing, within := b.observed.Load()-reported, 2*int64(10*time.Second/tc.every) // of those before the next may be due
			if missing > min(unreportedMost, b.observed.Load()/unreportedShare)+within || missing > 0 && now.Sub(at) >= unreportedFor {
				t.Fatalf("a query each %v: %d of %d are missing after %v", tc.every, missing, b.observed.Load(), now.Sub(at))
			}
		}
		if reports > tc.most {
			t.Errorf("a query each %v: %d reports in an hour, want at most %d", tc.every, reports, tc.most)
		}
	}
}

func TestManyCountAtOnce(t *testing.T) {
	const callers, each = 8, 500
	b := NewBook(start)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for j := range each {
				b.Arrived("t", query.Strict, 1)
				b.Ended(key(fmt.Sprint((i+j)%10)), Observation{State: query.Succeeded, LatencyMS: float64(j)})
				if j%100 == 0 {
					b.Snapshot(start)
				}
			}
		})
	}
	all.Wait()
	got := Group(b.Snapshot(start).Tallies, func(Key) Key { return Key{} })
	if len(got) != 1 || got[0].Arrived != callers*each || got[0].Answered != callers*each || got[0].Latency.Count() != callers*each {
		t.Errorf("%+v", got)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	b, k := NewBook(start), key("m")
	o := Observation{State: query.Succeeded, LatencyMS: 12.3, WaitMS: 1.2, ComputeMS: 11.1, CostUSD: 1e-6}
	b.Ended(k, o)
	b.Arrived("t", query.Strict, 1)
	if n := testing.AllocsPerRun(100, func() { b.Ended(k, o); b.Arrived("t", query.Strict, 1) }); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestGroupKeepsEveryQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, n := NewBook(start), rapid.IntRange(0, 50).Draw(t, "queries")
		for range n {
			k := Key{Task: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "task"), Model: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "model"),
				Class: rapid.SampledFrom([]query.Class{query.Strict, query.Relaxed}).Draw(t, "class"), MemoryMB: rapid.IntRange(0, 1).Draw(t, "MB")}
			b.Ended(k, Observation{State: query.Succeeded, LatencyMS: 1})
		}
		whole := b.Snapshot(start).Tallies
		for _, by := range []func(Key) Key{Whole, ByTask, ByClass, byResource} {
			var sum int64
			last := Key{}
			for i, g := range Group(whole, by) {
				if i > 0 && last.Compare(g.Key) >= 0 || by(g.Key) != g.Key {
					t.Fatalf("%+v comes after %+v", g.Key, last)
				}
				last = g.Key
				sum += g.Latency.Count()
			}
			if int(sum) != n {
				t.Fatalf("%d of %d", sum, n)
			}
		}
	})
}

// A report's size is what it costs: this is what one of ten models in two
// classes takes, with latencies spread as those of a loaded worker are.
func TestASnapshotIsSmall(t *testing.T) {
	b := NewBook(start)
	for m := range 10 {
		for _, class := range []query.Class{query.Strict, query.Relaxed} {
			k := Key{Task: "imagenet", Model: fmt.Sprintf("efficientnet-lite%d", m), Class: class, Resource: "c5.large"}
			for i := range 5000 {
				spread := math.Exp(float64(i%1000)/1000*4 - 2) // a factor of 55 from the quickest to the slowest
				b.Ended(k, Observation{State: query.Succeeded, Met: i%50 != 0, LatencyMS: 20 * spread, WaitMS: 5 * spread, ComputeMS: 12 + float64(i%30)/5, CostUSD: 1.23e-7})
			}
		}
	}
	text, err := json.Marshal(b.Snapshot(start.Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes for 10 models in 2 classes", len(text))
	const most = 14 << 10
	if len(text) > most {
		t.Errorf("a snapshot of 10 models in 2 classes takes %d bytes, %d are the most", len(text), most)
	}
}

func BenchmarkEnded(b *testing.B) {
	book, k := NewBook(start), key("m")
	o := Observation{State: query.Succeeded, LatencyMS: 12.3, WaitMS: 1.2, ComputeMS: 11.1, CostUSD: 1e-6}
	b.ReportAllocs()
	for b.Loop() {
		book.Ended(k, o)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	book := NewBook(start)
	for i := range 20 {
		for j := range 200 {
			book.Ended(key(fmt.Sprint(i)), Observation{State: query.Succeeded, LatencyMS: float64(j), WaitMS: float64(j) / 2, ComputeMS: 10})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		book.Snapshot(start)
	}
}

// Runs in shadow are counted apart from the queries, and are in the summary of an hour.
func TestRunsInShadowAreCounted(t *testing.T) {
	b := NewBook(start)
	k := Key{Task: "t", Model: "m@2", Resource: "c5.large"}
	(*Book)(nil).Shadowed(k, ShadowRun{})
	b.Shadowed(k, ShadowRun{Agrees: true, ComputeMS: 8, ServedMS: 4})
	first := b.Snapshot(start)
	b.Shadowed(k, ShadowRun{ComputeMS: 16})
	b.Faulted(k)
	got := b.Snapshot(start.Add(time.Minute))
	want := Tally{Key: k, Counts: Counts{Shadowed: 2, Agreed: 1, Faults: 1}, Compute: NewHistogram(8), Paired: NewHistogram(4)}
	if d := cmp.Diff(want, got.Tallies[0]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Counts{Shadowed: 1, Faults: 1}, want.Minus(first.Tallies[0]).Counts); d != "" || !want.Minus(first.Tallies[0]).Paired.IsZero() {
		t.Error(d)
	}
	if d := cmp.Diff(want, first.Tallies[0].Merge(want.Minus(first.Tallies[0]))); d != "" {
		t.Error(d)
	}
	h := NewHistory(start)
	h.Feed("w", got, start.Add(time.Minute))
	wantShadow := []Shadow{{"m@2", 2, 1, 1, QuantilesOf(NewHistogram(8)), QuantilesOf(NewHistogram(4))}}
	if s := h.Summary(start.Add(time.Minute)); !cmp.Equal(wantShadow, s.Shadows) || s.Hour != nil {
		t.Errorf("%+v", s)
	}
}
