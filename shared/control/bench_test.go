package control_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/cloud/local"
	"paragon/shared/cloud/tuning"
	"paragon/shared/control"
	"paragon/shared/core/profile"
	"paragon/shared/core/settings"
	"paragon/shared/telemetry"
)

// BenchmarkTick ticks over 50 tasks that each have arrivals in every second of
// an hour, and 2,000 workers, on the home of one machine. A tick should take
// less than 50 ms and 64 MB.
func BenchmarkTick(b *testing.B) {
	ctx := b.Context()
	h, err := local.Open(ctx, filepath.Join(b.TempDir(), "paragon.db"), local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	home, catalogue := h.Cloud(), stageCatalogue()
	catalogue.Tasks = nil
	for i := range 50 {
		catalogue.Tasks = append(catalogue.Tasks, profile.Task{Name: fmt.Sprintf("task-%d", i)})
	}
	now := time.Now()
	report := func() {
		for i := range 2000 {
			r := cloud.WorkerReport{ID: fmt.Sprintf("w%d", i), Pool: pool, State: cloud.Ready, At: now, Runners: 2, IdleSince: now.Add(-time.Minute)}
			if _, err := home.Fleet.Report(ctx, r); err != nil {
				b.Fatal(err)
			}
		}
	}
	report()
	set := settings.Defaults()
	set.MaxWorkers = 2000
	c := control.New(control.Options{
		Holder: "bench", Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: catalogue, Arch: "x86_64",
		Store: home.Store, Fleet: home.Fleet, Queues: home.Queues, Metrics: home.Metrics, Groups: home.Groups, Ledger: home.Ledger,
		Tuned: func() tuning.State { return tuning.State{Settings: set} }, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
	})
	arrive := func() {
		var ps []cloud.Point
		for _, t := range catalogue.Tasks {
			for _, class := range []string{"strict", "relaxed"} {
				for s := range 10 {
					ps = append(ps, cloud.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass(t.Name, class), At: now.Add(time.Duration(s) * time.Second), Value: 3})
				}
			}
		}
		if err := home.Metrics.Put(ctx, ps...); err != nil {
			b.Fatal(err)
		}
		now = now.Add(10 * time.Second)
	}
	for range 30 { // something to remember
		arrive()
		if err := c.Tick(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		arrive()
		if now.Second()%20 < 10 {
			report()
		}
		b.StartTimer()
		if err := c.Tick(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
