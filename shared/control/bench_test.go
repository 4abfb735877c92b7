package control_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	heap "runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/control"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
	"github.com/paragon-serving/paragon/shared/platform/tuning"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// BenchmarkTick ticks over 50 tasks that each have arrivals in every second of
// an hour, and 2,000 workers, on the backend of one machine. A tick should take
// less than 50 ms and 64 MB. With what a tick allocates it reports the most
// that the heap held during any tick, garbage included, and the most memory
// that the whole process had resident then, the store's included.
func BenchmarkTick(b *testing.B) {
	ctx := b.Context()
	h, err := sqlite.Open(ctx, filepath.Join(b.TempDir(), "paragon.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	l := &large{B: b, backend: h.Platform(), catalogue: stageCatalogue(), now: time.Now()}
	l.catalogue.Tasks = nil
	for i := range 50 {
		l.catalogue.Tasks = append(l.catalogue.Tasks, profile.Task{Name: fmt.Sprintf("task-%d", i)})
	}
	c := l.controller()
	for range 360 { // an hour to remember, which the first tick reads
		l.arrive()
	}
	l.report()
	if err := c.Tick(ctx); err != nil {
		b.Fatal(err)
	}
	var most peak
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		l.arrive()
		if l.now.Second()%20 < 10 {
			l.report()
		}
		ended := most.watch(b)
		b.StartTimer()
		if err := c.Tick(ctx); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		ended()
		b.StartTimer()
	}
	heldNot(b, l.backend.DecisionLog)
	b.ReportMetric(float64(most.heap)/1e6, "heap-peak-MB")
	if most.resident > 0 {
		b.ReportMetric(float64(most.resident)/1e6, "resident-peak-MB")
	}
}

// large is a stage with many tasks and workers.
type large struct {
	*testing.B
	backend   platform.Backend
	catalogue *profile.Catalogue
	now       time.Time
}

func (l *large) controller() *control.Controller {
	set := settings.Defaults()
	set.MaxWorkers = 2000
	return control.New(control.Options{
		Holder: "bench", Pools: []control.Pool{{Name: pool, InstanceType: "c5.large"}}, Catalogue: l.catalogue, Arch: "x86_64",
		Records: l.backend.Records, Fleet: l.backend.Fleet, Queues: l.backend.Queues, Metrics: l.backend.Metrics, Groups: l.backend.Groups, DecisionLog: l.backend.DecisionLog,
		Tuned: func() tuning.State { return tuning.State{Settings: set} }, Now: func() time.Time { return l.now }, Log: slog.New(slog.DiscardHandler),
	})
}

// report has every worker report that it is idle.
func (l *large) report() {
	for i := range 2000 {
		r := platform.WorkerReport{ID: fmt.Sprintf("w%d", i), Pool: pool, State: platform.Ready, At: l.now, Runners: 2, IdleSince: l.now.Add(-time.Minute)}
		if _, err := l.backend.Fleet.Report(l.Context(), r); err != nil {
			l.Fatal(err)
		}
	}
}

// arrive has ten seconds go by with arrivals of every task in each.
func (l *large) arrive() {
	ps := []platform.Point{{Metric: telemetry.Pulse.Name, At: l.now, Value: 1}}
	for _, t := range l.catalogue.Tasks {
		for _, class := range []string{"strict", "relaxed"} {
			for s := range 10 {
				ps = append(ps, platform.Point{Metric: telemetry.Arrivals.Name, Dimensions: telemetry.TaskClass(t.Name, class), At: l.now.Add(time.Duration(s) * time.Second), Value: 3})
			}
		}
	}
	if err := l.backend.Metrics.Put(l.Context(), ps...); err != nil {
		l.Fatal(err)
	}
	l.now = l.now.Add(10 * time.Second)
}

// heldNot sees to it that the last tick decided and did not hold, which would
// make another work of it.
func heldNot(b *testing.B, l platform.DecisionLog) {
	b.Helper()
	last, err := l.Entries(b.Context(), platform.EntryQuery{Pool: pool, Limit: 1})
	if err != nil || len(last) != 1 {
		b.Fatalf("%d decisions, error %v", len(last), err)
	}
	if strings.Contains(last[0].Line, "hold") {
		b.Fatalf("the fleet was held: %s", last[0].Line)
	}
}

// peak is the most memory there was, in bytes.
type peak struct{ heap, resident uint64 }

// watch looks at the heap every half a millisecond until what it returns is called.
func (p *peak) watch(b *testing.B) (ended func()) {
	b.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	// Writing 5 makes Linux forget the most that was resident so far.
	resets := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil
	go func() {
		defer close(done)
		tick := time.NewTicker(500 * time.Microsecond)
		defer tick.Stop()
		for {
			s := []heap.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
			heap.Read(s)
			p.heap = max(p.heap, s[0].Value.Uint64())
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(stop)
		<-done
		if resets {
			p.resident = max(p.resident, mostResident())
		}
	}
}

// mostResident is VmHWM: the most of this process that was in memory, in bytes;
// 0 where the system does not report it.
func mostResident() uint64 {
	raw, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb * 1024
		}
	}
	return 0
}
