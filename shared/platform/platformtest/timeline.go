package platformtest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

// The cases of the rows of the past, which the children of one machine's server do
// not keep.
const (
	RowsOfThePast    = "rows of the past are kept by step, in the order of time"
	HistoryOfThePast = "the history is the same from rows that are stored when they are over"
)

var timelineCases = []contractCase{{RowsOfThePast, anyBackend, rowsAreKept}, {HistoryOfThePast, anyBackend, historyIsTheSame}}

// sameRows compares rows whose sums were made in another order.
var sameRows = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-9, 0), cmp.Comparer(func(a, b tally.Histogram) bool {
	d := cmp.Diff(a.SumMS(), b.SumMS(), cmpopts.EquateApprox(1e-6, 0))
	return d == "" && a.Minus(b).IsZero() && b.Minus(a).IsZero()
})}

// rowsAreKept holds that rows come back whole, those of one step and of the time that
// was asked for, and that the newest of a start counts.
func rowsAreKept(t *testing.T, s *suite) {
	hour := time.Now().UTC().Truncate(time.Hour)
	row := func(at time.Time, n int64) timeline.Row {
		var ms []float64
		for i := range n {
			ms = append(ms, float64(10*i))
		}
		return timeline.Row{At: at, Samples: 6, Ready: 12, Wanted: 18, Queued: 3, OldestMS: 250, CostUSD: 0.5, Tallies: []tally.Tally{
			{Key: tally.Key{Task: "fashion", Model: "mlp", Class: query.Strict}, Counts: tally.Counts{Arrived: n, Answered: n, Met: n - 1}, Latency: tally.NewHistogram(ms...)},
			{Key: tally.Key{Task: "fashion", Model: "cnn", Class: query.Relaxed}, Counts: tally.Counts{Failed: 1}},
		}}
	}
	past := s.Backend.Timeline
	var want []timeline.Row
	for i := range 12 { // in no order, and the sixth minute twice
		minute := (i * 7) % 12
		must(t, past.PutTimeline(t.Context(), timeline.Stored{Step: time.Minute, Row: row(hour.Add(time.Duration(minute)*time.Minute), 2)}))
	}
	must(t, past.PutTimeline(t.Context(), timeline.Stored{Step: time.Minute, Row: row(hour.Add(6*time.Minute), 70)},
		timeline.Stored{Step: time.Hour, Row: row(hour, 9)}))
	for minute := range 7 {
		want = append(want, row(hour.Add(time.Duration(minute+3)*time.Minute), 2))
	}
	want[3] = row(hour.Add(6*time.Minute), 70)
	for _, tc := range []struct {
		step     time.Duration
		from, to time.Time
		want     []timeline.Row
	}{
		{time.Minute, hour.Add(3 * time.Minute), hour.Add(10 * time.Minute), want},
		{time.Hour, hour, hour.Add(time.Second), []timeline.Row{row(hour, 9)}},
		{10 * time.Minute, hour, hour.Add(time.Hour), nil},
		{time.Minute, hour, hour, nil},
	} {
		got, err := past.Timeline(t.Context(), tc.step, tc.from, tc.to)
		must(t, err)
		if d := cmp.Diff(tc.want, got, sameRows...); d != "" {
			t.Errorf("the rows of %v from %v to %v:\n%s", tc.step, tc.from, tc.to, d)
		}
	}
}

// every is a timeline in memory that has each row at any moment, as one machine has.
type every map[time.Duration][]timeline.Row

func (e every) put(s timeline.Stored) {
	rows := e[s.Step]
	if n := len(rows); n > 0 && rows[n-1].At.Equal(s.Row.At) {
		rows = rows[:n-1]
	}
	e[s.Step] = append(rows, s.Row)
}

func (e every) Timeline(_ context.Context, step time.Duration, from, to time.Time) (out []timeline.Row, _ error) {
	for _, r := range e[step] {
		if !r.At.Before(from) && r.At.Before(to) {
			out = append(out, r)
		}
	}
	return out, nil
}

// historyIsTheSame holds the rows that a history of each length is made of to those of one machine,
// where each row is stored once, as in an account: when it is over, or later.
func historyIsTheSame(t *testing.T, s *suite) {
	now := time.Now().UTC().Truncate(time.Hour).Add(-13*time.Minute + 20*time.Second)
	machine, w := every{}, timeline.NewWriter(nil)
	for at := now.Add(-26 * time.Hour); !at.After(now); at = at.Add(17 * time.Minute) {
		row := timeline.Row{Samples: 2, Ready: 3, Wanted: 4, Queued: at.Minute(), OldestMS: 10, CostUSD: 0.01, Tallies: []tally.Tally{
			{Key: tally.Key{Task: "fashion", Model: "mlp", Class: query.Class([]string{"strict", "relaxed"}[at.Minute()%2])},
				Counts: tally.Counts{Answered: int64(at.Minute()) + 1, Met: 1}, Latency: tally.NewHistogram(float64(at.Minute()), 40)},
		}}
		for _, due := range w.Add(at, row) {
			if due.Over(at) && at.Before(now.Add(-10*time.Minute)) { // the newest are not stored yet
				must(t, s.Backend.Timeline.PutTimeline(t.Context(), due))
			}
		}
		for _, r := range w.Rows() {
			machine.put(r)
			if r.Step == time.Minute { // these are stored soon
				must(t, s.Backend.Timeline.PutTimeline(t.Context(), r))
			}
		}
	}
	account := timeline.Completed{Stored: s.Backend.Timeline, Now: func() time.Time { return now }}
	for _, hours := range []int{1, 6, 7, 24, 61, 336} {
		length := time.Duration(hours) * time.Hour
		step := timeline.StepFor(length)
		from := now.Add(-length).Truncate(step)
		want, err := machine.Timeline(t.Context(), step, from, now)
		must(t, err)
		got, err := account.Timeline(t.Context(), step, from, now)
		must(t, err)
		if d := cmp.Diff(want, got, sameRows...); d != "" || len(want) < 3 {
			t.Errorf("the rows of %d hours, %d on one machine:\n%s", hours, len(want), d)
		}
	}
}
