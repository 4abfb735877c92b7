package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// spent adds up what invocations cost, until it is put: by this metric the
// controller holds the hour to its budget. It also puts how many messages were
// dropped as expired.
type spent struct {
	to      platform.Metrics
	now     func() time.Time
	expired func() int64 // since the process started; nil counts none

	mu  sync.Mutex
	usd float64
	put int64 // of the expired ones
}

func (s *spent) add(usd float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usd += usd
}

// publish puts what came since the last time. What cannot be put is put with the
// next batch.
func (s *spent) publish(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var points []platform.Point
	if s.usd != 0 {
		points = append(points, platform.Point{Metric: telemetry.FunctionUSD.Name, At: s.now(), Value: s.usd})
	}
	expired := s.put
	if s.expired != nil {
		expired = s.expired()
	}
	if n := expired - s.put; n > 0 {
		points = append(points, platform.Point{Metric: telemetry.ExpiredMessages.Name, At: s.now(), Value: float64(n)})
	}
	if len(points) == 0 {
		return
	}
	if err := s.to.Put(ctx, points...); err != nil {
		slog.Warn("could not write the cost of functions and the expired queries; they are written later", "error", err)
		return
	}
	s.usd, s.put = 0, expired
}
