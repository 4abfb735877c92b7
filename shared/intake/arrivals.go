package intake

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// MetricArrivals counts accepted queries, one point a second with the
// dimensions task and class.
var MetricArrivals = telemetry.Arrivals.Name

// giveBackEvery is how often leases to overflow are given back that are not used.
const giveBackEvery = time.Second

// lastFlush bounds the write at the end.
const lastFlush = time.Second

// flushEvery is how often the counts are written.
func flushEvery(set settings.Settings) time.Duration {
	return query.Duration(set.ArrivalSeconds() * 1000)
}

// maxCounts bounds the counts that are kept until they are written, one a
// second, task and class; beyond it the newest are dropped.
const maxCounts = 10_000

// arrivals counts accepted queries by second, so that the metric costs a write
// a second and not one a query.
type arrivals struct {
	mu      sync.Mutex
	counts  map[arrival]workload.Demand
	written written
	asks    asks
}

// arrival is a second's arrivals of a task and class; without these, what
// arrivals asked for that were written before.
type arrival struct {
	second int64 // Unix time
	task   string
	class  query.Class
}

func (a *arrivals) count(at time.Time, task string, c query.Class, d workload.Demand) {
	a.add(map[arrival]workload.Demand{{at.Unix(), task, c}: d})
}

func (a *arrivals) add(counts map[arrival]workload.Demand) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = map[arrival]workload.Demand{}
	}
	for k, n := range counts {
		if _, ok := a.counts[k]; ok || len(a.counts) < maxCounts {
			a.counts[k] = a.counts[k].Plus(n)
		}
	}
}

func (a *arrivals) take() map[arrival]workload.Demand {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := a.counts
	a.counts = nil
	if a.asks.sum != (workload.Demand{}) {
		if counts == nil {
			counts = map[arrival]workload.Demand{}
		}
		a.asks.join(counts)
	}
	return counts
}

// wrote notes that counts are written.
func (a *arrivals) wrote(now time.Time, counts map[arrival]workload.Demand) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range counts {
		a.written.add(now, d.Queries)
	}
}

// ArrivalDimensions are the dimensions of MetricArrivals for a task and class.
func ArrivalDimensions(task string, c query.Class) []string {
	return telemetry.TaskClass(task, string(c))
}

// Flush writes the arrivals counted since the last one. What cannot be written is
// kept for the next.
func (s *Service) Flush(ctx context.Context) error {
	return s.put(ctx, s.arrivals.take())
}

// put writes counts, and keeps them when they cannot be written.
func (s *Service) put(ctx context.Context, counts map[arrival]workload.Demand) error {
	if len(counts) == 0 {
		return nil
	}
	if err := s.Metrics.Put(ctx, points(counts)...); err != nil {
		s.arrivals.add(counts)
		return err
	}
	s.arrivals.wrote(s.Now(), counts)
	return nil
}

// points are the counts as metrics. What queries ask for is written without
// dimensions and once, in the middle one of their seconds: it is a mean of all of
// them that is needed, and each second that has some makes a line of the log longer,
// which is paid by its size.
func points(counts map[arrival]workload.Demand) []platform.Point {
	out := make([]platform.Point, 0, len(counts))
	var all workload.Demand
	var seconds []int64
	for k, d := range counts {
		if d.Queries > 0 {
			out = append(out, platform.Point{
				Metric: MetricArrivals, Dimensions: ArrivalDimensions(k.task, k.class), At: time.Unix(k.second, 0).UTC(), Value: d.Queries,
			})
		}
		all, seconds = all.Plus(d), append(seconds, k.second)
	}
	slices.Sort(seconds)
	for metric, value := range map[string]float64{
		telemetry.ArrivalWork.Name: all.WorkMS, telemetry.ArrivalFunctionUSD.Name: all.FunctionUSD, telemetry.ArrivalDefer.Name: all.DeferMS,
	} {
		if value > 0 {
			out = append(out, platform.Point{Metric: metric, At: time.Unix(seconds[len(seconds)/2], 0).UTC(), Value: value})
		}
	}
	return out
}

// asks is what one planned query asks for.
func (s *Service) asks(p plan, set settings.Settings) workload.Demand {
	return workload.DemandOf(s.catalogue(), workload.Planned{
		Model: p.model, Need: p.need, Class: p.class, LatencyMS: p.latencyMS, InstanceType: p.pool.InstanceType, Arch: s.Arch,
		Paths: sizing.PathsOf(set), Warm: slices.Contains(s.fleet.current().WarmFunctions, p.model.Name),
	})
}

// Run writes the arrivals every so often until ctx ends, and once more then.
func (s *Service) Run(ctx context.Context) {
	next := time.NewTimer(flushEvery(s.Settings()))
	defer next.Stop()
	idle := time.NewTicker(giveBackEvery)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			s.Close(last)
			return
		case <-next.C:
			s.flush(ctx)
			next.Reset(flushEvery(s.Settings()))
		case <-idle.C:
			s.flushLeases(ctx)
			s.reportTallies(ctx, (*tally.Book).Due)
		}
	}
}

// Close writes at the end of a process what it has not written yet: the arrivals
// that wait, the leases that it holds and, unless a worker does that, what it has
// counted. What takes longest is at the end.
func (s *Service) Close(ctx context.Context) {
	s.flush(ctx)
	s.reportTallies(ctx, func(b *tally.Book, now time.Time, _ time.Duration) tally.Snapshot { return b.Snapshot(now) })
	s.closeLeases(ctx)
}

func (s *Service) flush(ctx context.Context) {
	if err := s.Flush(ctx); err != nil {
		s.Log.Warn("could not write arrivals; they are kept for the next write, and are lost if the process ends first", "error", err)
	}
}
