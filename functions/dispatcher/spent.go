package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/telemetry"
)

// spent adds up what invocations cost, until it is told: by this metric the
// controller holds the hour to its budget.
type spent struct {
	to  cloud.Metrics
	now func() time.Time

	mu  sync.Mutex
	usd float64
}

func (s *spent) add(usd float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usd += usd
}

// tell writes what was spent since the last time. What cannot be written is
// told with the next batch.
func (s *spent) tell(ctx context.Context) {
	s.mu.Lock()
	usd := s.usd
	s.usd = 0
	s.mu.Unlock()
	if usd == 0 {
		return
	}
	if err := s.to.Put(ctx, cloud.Point{Metric: telemetry.FunctionUSD.Name, At: s.now(), Value: usd}); err != nil {
		slog.Warn("what functions cost is not written yet", "error", err)
		s.add(usd)
	}
}
