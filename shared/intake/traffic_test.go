package intake

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

func TestStatusReportsWhatBecameOfTheLastQueries(t *testing.T) {
	d := newTestService(t, nil)
	empty, err := d.Service.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c, known := empty.Classes[query.Strict]; !known || c.Attainment != nil || c.Hour.Latency != nil || !empty.CountedSince.IsZero() || empty.Tasks != nil {
		t.Errorf("before the first view: %+v", empty)
	}
	h, book := tally.NewHistory(start), tally.NewBook(start)
	end := func(task string, class query.Class, n int, o tally.Observation) {
		for range n {
			book.Ended(tally.Key{Task: task, Model: "net", Class: class, Resource: "c5.large"}, o)
		}
	}
	end("digits", query.Strict, 2, tally.Observation{State: query.Succeeded, Met: true, LatencyMS: 10, WaitMS: 1, CostUSD: 0.25})
	end("digits", query.Relaxed, 1, tally.Observation{State: query.Cancelled})
	h.Feed("w", book.Snapshot(start), start)
	now := start.Add(10 * time.Minute)
	book.Arrived("digits", query.Strict, 5)
	book.Refused("ann", "digits", query.Strict)
	end("digits", query.Strict, 1, tally.Observation{State: query.Succeeded, Overflowed: true, LatencyMS: 1000, WaitMS: 1})
	end("other", query.Strict, 1, tally.Observation{State: query.Expired})
	h.Feed("w", book.Snapshot(now), now)
	if err := d.Backend.Fleet.PublishView(t.Context(), platform.FleetView{At: now, Traffic: h.Summary(now)}); err != nil {
		t.Fatal(err)
	}
	st, err := d.Service.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of := func(percent float64) *float64 { return &percent }
	quantiles := func(ms ...float64) *tally.Quantiles {
		q := tally.QuantilesOf(tally.NewHistogram(ms...))
		return &q
	}
	digits := api.Traffic{
		Minute: api.Load{Arrived: 5, Refused: 1, Answered: 1, Overflowed: 1, Attainment: of(0), Latency: quantiles(1000), Wait: quantiles(1)},
		Hour:   api.Load{Arrived: 5, Refused: 1, Answered: 3, Met: 2, Overflowed: 1, Attainment: of(100 * 2. / 3), CostUSD: 0.5, Latency: quantiles(10, 10, 1000), Wait: quantiles(1, 1, 1)},
	}
	other := api.Traffic{Minute: api.Load{Expired: 1, Attainment: of(0)}, Hour: api.Load{Expired: 1, Attainment: of(0)}}
	all := digits
	all.Minute.Expired, all.Hour.Expired, all.Hour.Attainment = 1, 1, of(50)
	cancelled := api.Traffic{Hour: api.Load{Cancelled: 1}}
	want := []api.TaskStatus{{Task: "digits", Class: query.Relaxed, Traffic: cancelled}, {Task: "digits", Class: query.Strict, Traffic: digits}, {Task: "other", Class: query.Strict, Traffic: other}}
	if diff := cmp.Diff(want, st.Tasks); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	strict := st.Classes[query.Strict]
	if diff := cmp.Diff(all, strict.Traffic); diff != "" {
		t.Errorf("strict (-want +got):\n%s", diff)
	}
	if strict.Recent != 4 || strict.Met != 2 || *strict.Attainment != 50 || st.Classes[query.Relaxed].Recent != 0 || !st.CountedSince.Equal(start) {
		t.Errorf("%+v", st)
	}
	if want := (api.OverflowStatus{Answered: 3, OnFunctions: 1, Share: 1. / 3}); st.Overflow != want {
		t.Errorf("overflow %+v", st.Overflow)
	}
}
