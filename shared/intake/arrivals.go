package intake

import (
	"context"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
	"paragon/shared/core/rightsizing"
	"paragon/shared/core/settings"
	"paragon/shared/telemetry"
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
	mu     sync.Mutex
	counts map[arrival]demand
}

type arrival struct {
	second int64 // Unix time
	task   string
	class  query.Class
}

// demand is what accepted queries ask for, added up.
type demand struct {
	queries     float64
	workMS      float64 // of one runner
	functionUSD float64 // if functions answered them
	deferMS     float64 // how long they may wait for a worker, of relaxed ones
}

func (d demand) plus(o demand) demand {
	return demand{d.queries + o.queries, d.workMS + o.workMS, d.functionUSD + o.functionUSD, d.deferMS + o.deferMS}
}

func (a *arrivals) count(at time.Time, task string, c query.Class, d demand) {
	a.add(map[arrival]demand{{at.Unix(), task, c}: d})
}

func (a *arrivals) add(counts map[arrival]demand) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = map[arrival]demand{}
	}
	for k, n := range counts {
		if _, ok := a.counts[k]; ok || len(a.counts) < maxCounts {
			a.counts[k] = a.counts[k].plus(n)
		}
	}
}

func (a *arrivals) take() map[arrival]demand {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := a.counts
	a.counts = nil
	return counts
}

// ArrivalDimensions are the dimensions of MetricArrivals for a task and class.
func ArrivalDimensions(task string, c query.Class) []string {
	return telemetry.TaskClass(task, string(c))
}

// Flush gives back the leases to overflow that are not used, and writes the
// arrivals counted since the last one. What cannot be written
// is kept for the next.
func (s *Service) Flush(ctx context.Context) error {
	s.limits.Flush(ctx)
	counts := s.arrivals.take()
	if len(counts) == 0 {
		return nil
	}
	if err := s.Metrics.Put(ctx, points(counts)...); err != nil {
		s.arrivals.add(counts)
		return err
	}
	return nil
}

// points are the counts as metrics. What queries ask for is written without
// dimensions: it is a mean of all of them that is needed.
func points(counts map[arrival]demand) []cloud.Point {
	out := make([]cloud.Point, 0, len(counts))
	seconds := map[int64]demand{}
	for k, d := range counts {
		out = append(out, cloud.Point{
			Metric: MetricArrivals, Dimensions: ArrivalDimensions(k.task, k.class), At: time.Unix(k.second, 0).UTC(), Value: d.queries,
		})
		seconds[k.second] = seconds[k.second].plus(d)
	}
	for second, d := range seconds {
		for metric, value := range map[string]float64{
			telemetry.ArrivalWork.Name: d.workMS, telemetry.ArrivalFunctionUSD.Name: d.functionUSD, telemetry.ArrivalDefer.Name: d.deferMS,
		} {
			if value > 0 {
				out = append(out, cloud.Point{Metric: metric, At: time.Unix(second, 0).UTC(), Value: value})
			}
		}
	}
	return out
}

// asks is what one planned query asks for.
func (s *Service) asks(p plan, set settings.Settings) demand {
	d := demand{queries: 1}
	if t, ok := s.catalogue().OnVM(p.model, p.pool.InstanceType); ok {
		d.workMS = t.MS.P50
	}
	if s.Arch == "" {
		return d
	}
	if last, ok := rightsizing.Last(s.catalogue(), p.model, s.Arch, p.latencyMS, set.OverflowPathMS); ok {
		d.functionUSD = last.Size.QueryUSD
		if p.class == query.Relaxed {
			d.deferMS = max(0, last.WarmAfterMS)
		}
	}
	return d
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
			s.flush(last)
			return
		case <-next.C:
			s.flush(ctx)
			next.Reset(flushEvery(s.Settings()))
		case <-idle.C:
			s.limits.Flush(ctx)
		}
	}
}

func (s *Service) flush(ctx context.Context) {
	if err := s.Flush(ctx); err != nil {
		s.Log.Warn("arrivals cannot be written; they are kept", "error", err)
	}
}
