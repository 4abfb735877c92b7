package machine

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/timeline"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
)

// What is read has the minute that is not over, once, also when it was stored by
// a process before.
func TestTheTimelineHasTheMinuteThatRuns(t *testing.T) {
	owner, err := sqlite.Open(t.Context(), t.TempDir()+"/paragon.db", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	r := &recorder{owner: owner, writer: timeline.NewWriter(nil)}
	at := time.Date(2026, 11, 26, 12, 0, 30, 0, time.UTC)
	read := func(step time.Duration) []timeline.Row {
		rows, err := r.Timeline(t.Context(), step, at.Add(-time.Hour), at.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	r.store(t.Context(), r.add(at, timeline.Row{CostUSD: 1}))
	if rows := read(time.Minute); len(rows) != 1 || rows[0].CostUSD != 1 {
		t.Errorf("in the first minute: %+v", rows)
	}
	r.store(t.Context(), r.add(at.Add(time.Minute), timeline.Row{CostUSD: 2}))
	if rows := read(time.Minute); len(rows) != 2 || rows[0].CostUSD != 1 || rows[1].CostUSD != 2 {
		t.Errorf("in the second minute: %+v", rows)
	}
	if rows := read(time.Hour); len(rows) != 1 || rows[0].CostUSD != 3 {
		t.Errorf("by the hour: %+v", rows)
	}
}

// A worker that has stopped reporting is not ready in the history either.
func TestTheTimelineLeavesOutSilentWorkers(t *testing.T) {
	owner, err := sqlite.Open(t.Context(), t.TempDir()+"/paragon.db", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	m := &Machine{backend: owner.Platform(), settings: tuning.New(owner.Platform().Settings)}
	for id, age := range map[string]time.Duration{"w-1": 0, "w-2": fleet.SilentAfter(settings.Defaults()) + time.Second} {
		report := platform.WorkerReport{ID: id, Pool: Pool, State: platform.Ready, At: time.Now().Add(-age)}
		if _, err := owner.Platform().Fleet.Report(t.Context(), report); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.workersReady(t.Context()); n != 1 {
		t.Errorf("%d workers are ready, want 1", n)
	}
}
