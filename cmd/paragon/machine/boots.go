package machine

import (
	"sync"
	"time"

	"github.com/paragon-serving/paragon/shared/platform"
)

// bootTimes reports how long workers took to come: from asking for one to its first
// report as ready.
type bootTimes struct {
	mu    sync.Mutex // guards what follows
	asked map[string]time.Time
	took  time.Duration // all together
	n     int
}

// observe takes the workers there are.
func (b *bootTimes) observe(ws []platform.WorkerReport) {
	b.mu.Lock()
	defer b.mu.Unlock()
	there := make(map[string]time.Time, len(ws))
	for _, w := range ws {
		asked, known := b.asked[w.ID]
		switch {
		case w.State == platform.Booting:
			there[w.ID] = w.At
		case known:
			b.took, b.n = b.took+w.At.Sub(asked), b.n+1
		}
	}
	b.asked = there
}

// meanSeconds is how long a worker took in the mean; 0 when none came.
func (b *bootTimes) meanSeconds() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n == 0 {
		return 0
	}
	return b.took.Seconds() / float64(b.n)
}

// BootSeconds is how long workers took to come, in the mean; 0 when none came.
func (m *Machine) BootSeconds() float64 { return m.boots.meanSeconds() }
