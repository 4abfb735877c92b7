package timeline_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

var start = time.Date(2026, 11, 26, 12, 0, 30, 0, time.UTC)

func answered(model string, n int64) tally.Tally {
	return tally.Tally{Key: tally.Key{Task: "t", Model: model, Class: query.Strict, Resource: "c5.large"}, Counts: tally.Counts{Answered: n},
		Latency: tally.NewHistogram(10), Wait: tally.NewHistogram(1), Compute: tally.NewHistogram(9)}
}

func TestRowsAreAsShortAsTheyCanBe(t *testing.T) {
	for length, want := range map[time.Duration]time.Duration{
		time.Hour: time.Minute, 6 * time.Hour: time.Minute, 7 * time.Hour: 10 * time.Minute, 60 * time.Hour: 10 * time.Minute,
		7 * 24 * time.Hour: time.Hour, timeline.Kept: time.Hour,
	} {
		if got := timeline.StepFor(length); got != want {
			t.Errorf("%v by %v, want %v", length, got, want)
		}
	}
}

func TestAnAnswerHasFewSteps(t *testing.T) {
	for length, want := range map[time.Duration]time.Duration{
		time.Hour: time.Minute, 3 * time.Hour: time.Minute, 3*time.Hour + time.Second: 2 * time.Minute, 6 * time.Hour: 2 * time.Minute, 24 * time.Hour: 10 * time.Minute,
		60 * time.Hour: 20 * time.Minute, 7 * 24 * time.Hour: time.Hour, timeline.Kept: 2 * time.Hour,
	} {
		if got := timeline.AnswerStep(length); got != want {
			t.Errorf("%v by %v, want %v", length, got, want)
		}
	}
}

func TestSlimKeepsModelsAndLatencies(t *testing.T) {
	other := answered("m", 2)
	other.Resource = "c5.xlarge"
	got := timeline.Slim([]tally.Tally{answered("m", 1), other})
	if len(got) != 1 || got[0].Answered != 3 || got[0].Resource != "" || got[0].Latency.Count() != 2 || !got[0].Wait.IsZero() || !got[0].Compute.IsZero() {
		t.Errorf("%+v", got)
	}
}

// Whatever is added, and wherever the writer is stopped and started again, the
// rows of every step hold all of it.
func TestNothingIsLostBetweenRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, now := timeline.NewWriter(nil), start
		stored := map[time.Duration]map[time.Time]timeline.Row{}
		store := func(rows []timeline.Stored) {
			for _, s := range rows {
				if stored[s.Step] == nil {
					stored[s.Step] = map[time.Time]timeline.Row{}
				}
				stored[s.Step][s.Row.At] = s.Row
			}
		}
		var queries int64
		var usd float64
		for range rapid.IntRange(1, 60).Draw(t, "samples") {
			now = now.Add(time.Duration(rapid.IntRange(1, 1500).Draw(t, "seconds")) * time.Second)
			n := int64(rapid.IntRange(0, 9).Draw(t, "queries"))
			queries, usd = queries+n, usd+0.5
			store(w.Add(now, timeline.Row{Samples: 1, Ready: 2, Queued: int(n), CostUSD: 0.5, Tallies: []tally.Tally{answered("m", n)}, OthersUSD: map[string]float64{"reactive": 1}}))
			if rapid.Bool().Draw(t, "restart") {
				store(w.Rows())
				open := map[time.Duration]timeline.Row{}
				for _, step := range timeline.Steps {
					if r, found := stored[step][now.Truncate(step)]; found {
						open[step] = r
					}
				}
				w = timeline.NewWriter(open)
			}
		}
		store(w.Rows())
		for _, step := range timeline.Steps {
			var gotQueries int64
			var gotUSD, others float64
			for at, r := range stored[step] {
				if !at.Equal(at.Truncate(step)) || r.Ready != 2*float64(r.Samples) {
					t.Fatalf("row of %v at %v: %+v", step, at, r)
				}
				for _, x := range r.Tallies {
					gotQueries += x.Answered
				}
				gotUSD, others = gotUSD+r.CostUSD, others+r.OthersUSD["reactive"]
			}
			if gotQueries != queries || math.Abs(gotUSD-usd) > 1e-9 || math.Abs(others-2*usd) > 1e-9 {
				t.Fatalf("rows of %v hold %d queries and $%v and $%v, want %d and $%v", step, gotQueries, gotUSD, others, queries, usd)
			}
		}
	})
}

// Counts by owner are in the rows of an hour alone, and only of the owners that are kept;
// none is lost.
func TestOwnersAreKeptByTheHour(t *testing.T) {
	w := timeline.NewWriter(nil)
	for i := range 300 {
		for range 2 {
			w.Add(start, timeline.Row{Owners: []tally.OwnerTally{{OwnerKey: tally.OwnerKey{Owner: fmt.Sprintf("o%03d", i), Task: "t"}, Counts: tally.Counts{Answered: 1}}}})
		}
	}
	for _, s := range w.Rows() {
		var sum int64
		for _, o := range s.Row.Owners {
			sum += o.Answered
		}
		if s.Step != timeline.OwnersStep && len(s.Row.Owners) > 0 || s.Step == timeline.OwnersStep && (len(s.Row.Owners) != 201 || sum != 600) {
			t.Errorf("the row of %v has %d owners and %d queries", s.Step, len(s.Row.Owners), sum)
		}
	}
}

// A clock that is set back, as that of another writer may be, adds to the rows that are
// open and takes none of them away.
func TestAClockThatIsSetBackLosesNothing(t *testing.T) {
	w := timeline.NewWriter(nil)
	noon := start.Truncate(time.Hour)
	w.Add(noon, timeline.Row{Tallies: []tally.Tally{answered("m", 1)}})
	if due := w.Add(noon.Add(-time.Second), timeline.Row{Tallies: []tally.Tally{answered("m", 2)}}); len(due) > 0 {
		t.Errorf("%+v is to be stored", due)
	}
	for _, s := range w.Rows() {
		if !s.Row.At.Equal(noon) || s.Row.Tallies[0].Answered != 3 || s.Over(noon.Add(s.Step-1)) || !s.Over(noon.Add(s.Step)) {
			t.Errorf("row of %v: %+v", s.Step, s.Row)
		}
	}
}

// Rows of a minute add up to those of ten.
func TestShorterRowsAddUp(t *testing.T) {
	noon := start.Truncate(time.Hour)
	var rows []timeline.Row
	for i := range 15 {
		rows = append(rows, timeline.Row{At: noon.Add(time.Duration(i) * time.Minute), Samples: 1, Tallies: []tally.Tally{answered("m", 2)}})
	}
	got := timeline.Sum(10*time.Minute, rows)
	if len(got) != 2 || !got[1].At.Equal(noon.Add(10*time.Minute)) || got[0].Samples != 10 || got[0].Tallies[0].Answered != 20 || got[1].Tallies[0].Answered != 10 {
		t.Errorf("%+v", got)
	}
	for step, want := range map[time.Duration]time.Duration{time.Hour: 10 * time.Minute, 10 * time.Minute: time.Minute} {
		if shorter, ok := timeline.Shorter(step); !ok || shorter != want {
			t.Errorf("below %v is %v", step, shorter)
		}
	}
	if _, ok := timeline.Shorter(time.Minute); ok {
		t.Error("there is a step below a minute")
	}
}

// A row of very many models has those of the most queries by themselves, and loses no
// query.
func TestARowHasOnlySoManyModels(t *testing.T) {
	var row timeline.Row
	for i := range 1000 {
		row = row.Merge(timeline.Row{Tallies: []tally.Tally{answered(fmt.Sprint(i), int64(1+i%2*100))}})
	}
	var sum int64
	few := 0
	for _, x := range row.Tallies {
		sum += x.Answered
		if x.Model != "" && x.Answered == 1 {
			few++
		}
	}
	if len(row.Tallies) > 400 || len(row.Tallies) < 390 || sum != 500*102 || few > 0 {
		t.Errorf("%d tallies of %d answers, %d of them of models with few", len(row.Tallies), sum, few)
	}
}
