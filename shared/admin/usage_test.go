package admin_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/admin"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/timeline"
)

func owned(owner, task string, c tally.Counts) tally.OwnerTally {
	return tally.OwnerTally{OwnerKey: tally.OwnerKey{Owner: owner, Task: task}, Counts: c}
}

// usageOf is the service on a machine whose every hour was the same, 90 seconds after noon.
func usageOf(ts ...tally.OwnerTally) *admin.Service {
	s := past(timeline.Row{Owners: ts})
	s.Now = func() time.Time { return noon.Add(90 * time.Second) }
	return s
}

func TestUsageIsSortedByCost(t *testing.T) {
	s := usageOf(
		owned("ann", "t", tally.Counts{Answered: 10, Met: 7, Failed: 2, Expired: 1, Cancelled: 4, Refused: 5, Overflowed: 3, CostUSD: 0.5}),
		owned("bob", "t", tally.Counts{Answered: 1, Met: 1, CostUSD: 2}), owned("", "t", tally.Counts{Answered: 4, Met: 4, CostUSD: 1}),
	)
	got, err := s.Usage(t.Context(), 2, "")
	if err != nil {
		t.Fatal(err)
	}
	want := api.Usage{From: noon.Add(-time.Hour), To: noon.Add(90 * time.Second), Owners: []api.OwnerUsage{
		{Owner: "bob", Task: "t", Queries: 2, Answered: 2, CostUSD: 4}, {Task: "t", Queries: 8, Answered: 8, CostUSD: 2},
		{Owner: "ann", Task: "t", Queries: 44, Answered: 20, Missed: 12, Failed: 4, Expired: 2, Cancelled: 8, Refused: 10, Overflowed: 6, CostUSD: 1},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What is reported to one owner has nothing of the others, not even in a sum.
func TestUsageOfOneOwner(t *testing.T) {
	s := usageOf(owned("ann", "t", tally.Counts{Answered: 1}), owned("bob", "t", tally.Counts{Answered: 2}), owned("", "t", tally.Counts{Answered: 4}))
	got, err := s.Usage(t.Context(), 1, "ann")
	if err != nil || len(got.Owners) != 1 || got.Owners[0].Owner != "ann" || got.Owners[0].Queries != 1 {
		t.Errorf("%+v, error %v", got, err)
	}
	if got, err = s.Usage(t.Context(), 1, "eve"); err != nil || len(got.Owners) != 0 {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestUsageIsBounded(t *testing.T) {
	var all []tally.OwnerTally
	for i := range 900 {
		all = append(all, owned(fmt.Sprintf("o%03d", i), "t", tally.Counts{Answered: int64(i)}))
	}
	got, err := usageOf(all...).Usage(t.Context(), 1, "")
	if err != nil || len(got.Owners) != 501 {
		t.Errorf("%d owners, error %v", len(got.Owners), err)
	}
}

func TestWithoutATimelineThereIsNoUsage(t *testing.T) {
	if _, err := (&admin.Service{}).Usage(t.Context(), 1, ""); !errors.Is(err, admin.ErrUnknown) {
		t.Errorf("error %v", err)
	}
}
