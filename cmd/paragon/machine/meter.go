package machine

import (
	"context"
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/telemetry"
)

// meter adds up what the fleet and the functions would have cost on AWS since
// the machine came up, by the catalogue's prices.
type meter struct {
	catalogue *profile.Catalogue
	instance  profile.Instance
	now       func() time.Time
	since     time.Time
	// expired counts the messages that were dropped as expired; nil counts none.
	expired func() int64

	mu      sync.Mutex // guards what follows
	usd     float64
	unsaid  float64 // of functions, not written as a metric yet
	said    int64   // of the expired messages
	workers int
	readAt  time.Time
}

func newMeter(c *profile.Catalogue, in profile.Instance, now func() time.Time) *meter {
	at := now()
	return &meter{catalogue: c, instance: in, now: now, since: at, readAt: at}
}

// running counts how many workers there are from now on. Booting ones cost
// like ready ones.
func (m *meter) running(workers int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle()
	m.workers = workers
}

// settle adds what the workers cost since it was last called. The caller holds the lock.
func (m *meter) settle() {
	at := m.now()
	m.usd += pricing.FleetHourUSD(m.instance, m.workers) * at.Sub(m.readAt).Hours()
	m.readAt = at
}

// costUSD is the cost so far.
func (m *meter) costUSD() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle()
	return m.usd
}

// paid adds what an invocation cost.
func (m *meter) paid(usd float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.usd += usd
	m.unsaid += usd
}

// publish puts what functions cost and how many messages expired since the last
// time, as metrics. What cannot be put is put the next time. It has one caller.
func (m *meter) publish(ctx context.Context, to platform.Metrics) error {
	m.mu.Lock()
	usd, expired := m.unsaid, int64(0)
	if m.expired != nil {
		expired = m.expired() - m.said
	}
	m.mu.Unlock()
	var points []platform.Point
	if usd != 0 {
		points = append(points, platform.Point{Metric: telemetry.FunctionUSD.Name, At: m.now(), Value: usd})
	}
	if expired > 0 {
		points = append(points, platform.Point{Metric: telemetry.ExpiredMessages.Name, At: m.now(), Value: float64(expired)})
	}
	if len(points) == 0 {
		return nil
	}
	if err := to.Put(ctx, points...); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unsaid -= usd
	m.said += expired
	return nil
}
