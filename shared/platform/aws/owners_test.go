package aws

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/platform"
)

// countedBy is a report of what a process has counted of one owner since it began.
func countedBy(id string, since, at time.Time, state platform.WorkerState, owner string, answered int64) platform.WorkerReport {
	return platform.WorkerReport{ID: id, Pool: platform.FunctionsPool, State: state, At: at, Tallies: tally.Snapshot{Since: since, At: at, Owners: []tally.OwnerTally{
		{OwnerKey: tally.OwnerKey{Owner: owner, Task: "t"}, Counts: tally.Counts{Answered: answered, Met: answered, CostUSD: float64(answered) / 4}},
	}}}
}

// What processes counted adds up by owner over processes and hours, each query once,
// even where counts are reported again or a process starts again under the same name.
func TestUsageByOwner(t *testing.T) {
	h := newGround(t).backend(t)
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	for _, r := range []platform.WorkerReport{
		countedBy("a", noon, at(1), platform.Ready, "ann", 4),
		countedBy("a", noon, at(1), platform.Ready, "ann", 4), // once more
		countedBy("b", noon, at(2), platform.Ready, "bob", 8),
		countedBy("a", noon, at(30), platform.Ready, "ann", 12),
		countedBy("a", noon, at(61), platform.Ready, "ann", 16),
		countedBy("a", noon, at(62), platform.Gone, "ann", 20),
		countedBy("a", at(63), at(64), platform.Ready, "ann", 40), // another process
	} {
		if _, err := h.Fleet.Report(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		from, to time.Time
		want     map[string]int64
	}{
		"both hours":      {noon, at(65), map[string]int64{"ann": 60, "bob": 8}},
		"the first":       {noon, at(60), map[string]int64{"ann": 12, "bob": 8}},
		"the second":      {at(60), at(65), map[string]int64{"ann": 48}},
		"one without any": {at(120), at(180), map[string]int64{}},
	} {
		got, err := h.Owners.Usage(t.Context(), c.from, c.to)
		if err != nil {
			t.Fatal(err)
		}
		answered := map[string]int64{}
		for _, o := range got {
			answered[o.Owner] = o.Answered
			if o.Task != "t" || o.CostUSD != float64(o.Answered)/4 {
				t.Errorf("%s: %+v", name, o)
			}
		}
		if d := cmp.Diff(c.want, answered); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
