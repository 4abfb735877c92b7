package intake

import (
	"context"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/query"
)

// MetricArrivals counts accepted queries, one point a second with the
// dimensions task and class. A repeat under an idempotency key is no arrival.
const MetricArrivals = "arrivals"

// flushEvery is how often the counts are written.
const flushEvery = time.Second

// maxSeconds bounds the counts that are kept while they cannot be written;
// beyond it the newest are dropped.
const maxSeconds = 600

// arrivals counts accepted queries by second, so that the metric costs a write
// a second and not one a query.
type arrivals struct {
	mu     sync.Mutex
	counts map[arrival]float64
}

type arrival struct {
	second int64 // Unix time
	task   string
	class  query.Class
}

func (a *arrivals) count(at time.Time, task string, c query.Class) {
	a.add(map[arrival]float64{{at.Unix(), task, c}: 1})
}

func (a *arrivals) add(counts map[arrival]float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = map[arrival]float64{}
	}
	for k, n := range counts {
		if _, ok := a.counts[k]; ok || len(a.counts) < maxSeconds {
			a.counts[k] += n
		}
	}
}

func (a *arrivals) take() map[arrival]float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts := a.counts
	a.counts = nil
	return counts
}

// ArrivalDimensions are the dimensions of MetricArrivals for a task and class.
func ArrivalDimensions(task string, c query.Class) []string {
	return []string{"task=" + task, "class=" + string(c)}
}

// Flush writes the arrivals counted since the last one. What cannot be written
// is kept for the next.
func (s *Service) Flush(ctx context.Context) error {
	counts := s.arrivals.take()
	if len(counts) == 0 {
		return nil
	}
	points := make([]cloud.Point, 0, len(counts))
	for k, n := range counts {
		points = append(points, cloud.Point{
			Metric: MetricArrivals, Dimensions: ArrivalDimensions(k.task, k.class), At: time.Unix(k.second, 0).UTC(), Value: n,
		})
	}
	if err := s.Metrics.Put(ctx, points...); err != nil {
		s.arrivals.add(counts)
		return err
	}
	return nil
}

// Run writes the arrivals every second until ctx ends, and once more then.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			s.flush(last)
			return
		case <-tick.C:
			s.flush(ctx)
		}
	}
}

func (s *Service) flush(ctx context.Context) {
	if err := s.Flush(ctx); err != nil {
		s.Log.Warn("arrivals cannot be written; they are kept", "error", err)
	}
}
