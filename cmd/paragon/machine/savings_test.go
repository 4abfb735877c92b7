package machine

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/profiles/profilestest"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/calibration"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

func playHere(ctx context.Context, c comparison.Case, schemes []procurement.Scheme) ([]comparison.Ran, error) {
	return comparison.Play(ctx, c, schemes, nil)
}

// weighing is a machine that has what it needs to weigh other schemes, and came
// up a while before now.
func weighing(t *testing.T, now time.Time, up time.Duration) *Machine {
	t.Helper()
	dir := t.TempDir()
	owner, err := sqlite.Open(t.Context(), filepath.Join(dir, "paragon.db"), sqlite.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	c := profilestest.Shipped(t)
	in, _ := c.Instance("c5.large")
	m := &Machine{cfg: Defaults(), log: slog.New(slog.DiscardHandler), backend: owner.Platform(), catalogue: c, instance: in, play: playHere}
	m.cfg.DataDir, m.cfg.Workers = dir, 0
	m.settings = tuning.New(m.backend.Settings)
	if err := m.settings.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.meter = newMeter(c, in, func() time.Time { return now.Add(-up) })
	m.meter.paid(0.5)
	return m
}

func store(t *testing.T, dir string, percent float64) {
	t.Helper()
	r := calibration.Report{At: time.Unix(0, 0), Version: Version, Runs: []calibration.Run{{Trace: "a", CostErrorPercent: percent}, {Trace: "b"}}}
	if err := StoreCalibration(dir, r); err != nil {
		t.Fatal(err)
	}
}

// In the first seconds one boot decides what a stage costs: nothing is compared.
func TestTheFirstSecondsAreNotCompared(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for up, quoted := range map[time.Duration]bool{13 * time.Second: false, 40 * time.Second: true} {
		m := weighing(t, now, up)
		if got := m.weigh(t.Context(), now); got.Quoted != quoted || len(got.Others) > 0 != quoted || got.Why == "" {
			t.Errorf("after %v: %+v", up, got)
		}
	}
}

// savingsOthers is all schemes and rivals but the one that runs and the one on functions
// alone, with the plain function.
var savingsOthers = len(rivals.Names()) - 2 + 1

func TestOtherSchemesAreWeighedOnWhatArrived(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	m := weighing(t, now, 10*time.Minute)
	if got := m.weigh(t.Context(), now); got.ErrorPercent != 10.8 || len(got.Others) != savingsOthers || !strings.Contains(got.Next, "paragon-lab calibrate") {
		t.Errorf("without a calibration: %+v", got)
	}
	store(t, m.cfg.DataDir, 80)
	if got := m.weigh(t.Context(), now); got.Quoted || len(got.Others) > 0 {
		t.Errorf("with one that is far off: %+v", got)
	}
	store(t, m.cfg.DataDir, 2)
	idle := m.weigh(t.Context(), now)
	if !idle.Quoted || len(idle.Others) != savingsOthers || idle.CostUSD != 0.5 || idle.Others[0].CostUSD != 0 {
		t.Fatalf("nothing arrived: %+v", idle)
	}
	var points []platform.Point
	for s := range 500 {
		points = append(points, platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass("fashion", "strict"),
			At: now.Add(time.Duration(s-550) * time.Second), Value: 20},
			platform.Point{Metric: telemetry.ArrivalFunctionUSD.Name, At: now.Add(time.Duration(s-550) * time.Second), Value: 0.001})
	}
	if err := m.backend.Metrics.Put(t.Context(), points...); err != nil {
		t.Fatal(err)
	}
	busy := m.weigh(t.Context(), now)
	if !strings.Contains(idle.Next, "a plain function would be cheaper") {
		t.Errorf("nothing arrived, and the stage cost $%v: %s", idle.CostUSD, idle.Next)
	}
	of := func(s api.Savings, scheme string) api.SchemeCost {
		i := slices.IndexFunc(s.Others, func(o api.SchemeCost) bool { return o.Scheme == scheme })
		if i < 0 {
			t.Fatalf("no %s in %+v", scheme, s.Others)
		}
		return s.Others[i]
	}
	for _, scheme := range []string{"reactive", "mixed", "quantile", "kpa", "target_tracking"} {
		after, before := of(busy, scheme), of(idle, scheme)
		if after.CostUSD < before.CostUSD || scheme == "reactive" && after.CostUSD == before.CostUSD {
			t.Errorf("10,000 queries cost %v under %s, none %v", after.CostUSD, scheme, before.CostUSD)
		}
		if !(after.Simulated && after.LowUSD < after.CostUSD && after.CostUSD < after.HighUSD) || after.MissedPercent == nil {
			t.Errorf("no interval, or no share of missed bounds: %+v", after)
		}
	}
	if !slices.IsSortedFunc(busy.Others, func(a, b api.SchemeCost) int { return cmp.Compare(a.CostUSD, b.CostUSD) }) {
		t.Errorf("the cheapest is not first: %+v", busy.Others)
	}
	if plain := of(busy, "plain function"); plain.Simulated || math.Abs(plain.CostUSD-0.5) > 1e-9 || plain.LowUSD != plain.HighUSD {
		t.Errorf("by a plain function %+v", plain)
	}
}

// From an hour on, the stage's own past counts where it is further off than the runs that
// were recorded: here the meter has half a dollar for an hour without queries and workers.
func TestTheOwnPastWidensTheMargin(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	m := weighing(t, now, time.Hour)
	store(t, m.cfg.DataDir, 2)
	if got := m.weigh(t.Context(), now); got.Quoted || !strings.Contains(got.Why, "for 1.0 h of this stage's own past under scheme hedged, the simulation was off by -100.0 % in cost") {
		t.Errorf("%+v", got)
	}
	if err := m.backend.Settings.Set(t.Context(), "scheme", "hedged"); err != nil { // now: another one may have run before
		t.Fatal(err)
	}
	if got := m.weigh(t.Context(), now); !got.Quoted || strings.Contains(got.Why, "own past") {
		t.Errorf("after a change of the scheme: %+v", got)
	}
}

func TestABackendThatRunsForLongDoesNotGuess(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	m := weighing(t, now, 30*time.Hour)
	store(t, m.cfg.DataDir, 1)
	if got := m.weigh(t.Context(), now); got.Quoted || !strings.Contains(got.Why, "for which it keeps arrivals") {
		t.Errorf("%+v", got)
	}
}
