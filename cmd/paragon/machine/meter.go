package machine

import (
	"context"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
	"paragon/shared/telemetry"
)

// meter adds up what the fleet and the functions would have cost on AWS since
// the machine came up, by the catalogue's prices.
type meter struct {
	catalogue *profile.Catalogue
	instance  profile.Instance
	now       func() time.Time
	since     time.Time

	mu       sync.Mutex // guards what follows
	usd      float64
	unsaid   float64 // of functions, not written as a metric yet
	workers  int
	lastSeen time.Time
}

func newMeter(c *profile.Catalogue, in profile.Instance, now func() time.Time) *meter {
	at := now()
	return &meter{catalogue: c, instance: in, now: now, since: at, lastSeen: at}
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
	m.usd += pricing.FleetHourUSD(m.instance, m.workers) * at.Sub(m.lastSeen).Hours()
	m.lastSeen = at
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

// tell writes what functions cost since the last time, as a metric. What cannot
// be written is told the next time.
func (m *meter) tell(ctx context.Context, to cloud.Metrics) error {
	m.mu.Lock()
	usd := m.unsaid
	m.unsaid = 0
	m.mu.Unlock()
	if usd == 0 {
		return nil
	}
	err := to.Put(ctx, cloud.Point{Metric: telemetry.FunctionUSD.Name, At: m.now(), Value: usd})
	if err != nil {
		m.mu.Lock()
		m.unsaid += usd
		m.mu.Unlock()
	}
	return err
}
