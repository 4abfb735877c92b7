package control

import (
	"testing"

	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// What became of queries is counted once, over all tasks, and nothing is written
// while none ends.
func TestHowQueriesEnd(t *testing.T) {
	of := func(task string, c tally.Counts) tally.Load { return tally.Load{Key: tally.Key{Task: task}, Counts: c} }
	got := map[string]float64{}
	for _, p := range endPoints(tally.Summary{Minute: []tally.Load{
		of("", tally.Counts{Answered: 6, Met: 5, Overflowed: 2}), of("", tally.Counts{Answered: 2, Met: 2, Failed: 1, Expired: 1, Cancelled: 7}), of("t", tally.Counts{Answered: 90}),
	}}) {
		got[p.Metric] = p.Value
	}
	want := map[string]float64{telemetry.MissedShare.Name: 0.3, telemetry.OverflowShare.Name: 0.2, telemetry.ExpiredShare.Name: 0.1}
	for name, share := range want {
		if got[name] != share {
			t.Errorf("%s: %v, want %v", name, got[name], share)
		}
	}
	if points := endPoints(tally.Summary{Minute: []tally.Load{of("", tally.Counts{Cancelled: 3, Arrived: 9})}}); points != nil {
		t.Errorf("nothing has ended: %v", points)
	}
}

// Missing workers are distinguished from those that are not asked for, and failed launches
// from slow ones.
func TestWhoIsMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		desired, ready, booting int
		fault                   string
		missing, faults         float64
	}{
		"all are there":        {2, 2, 0, "", 0, 0},
		"one boots":            {2, 1, 1, "", 1, 0},
		"one cannot be had":    {2, 1, 0, "no capacity", 1, 1},
		"one boots at last":    {2, 1, 1, "no capacity", 1, 0},
		"more than asked for":  {1, 3, 0, "no capacity", 0, 0},
		"nobody is asked for ": {0, 0, 0, "no capacity", 0, 0},
	} {
		var r decision.Record
		r.Case.Group = decision.Group{Desired: tc.desired, LaunchFault: tc.fault}
		r.Case.Snapshot.Pool.Ready, r.Case.Snapshot.Pool.Booting = tc.ready, tc.booting
		got := missing(r)
		if got[telemetry.Missing.Name] != tc.missing || got[telemetry.LaunchFaults.Name] != tc.faults {
			t.Errorf("%s: %v", name, got)
		}
	}
}
