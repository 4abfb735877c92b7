package machine

import (
	"context"
	"sync"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
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

// metered is an invoker whose invocations are paid for.
type metered struct {
	cloud.Invoker
	meter    *meter
	memoryMB map[string]int // by function
}

// Invoke runs the function and adds its price, also that of a fault: Lambda
// bills those too.
func (i metered) Invoke(ctx context.Context, function string, payload []byte) (cloud.Invocation, error) {
	inv, err := i.Invoker.Invoke(ctx, function, payload)
	if inv.BilledMS > 0 {
		m := i.meter
		m.mu.Lock()
		m.usd += pricing.FunctionQueryUSD(m.catalogue.Prices, arch(), i.memoryMB[function], inv.BilledMS)
		m.mu.Unlock()
	}
	return inv, err
}
