package machine

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/platform"
	"github.com/paragon-serving/paragon/shared/platform/sqlite"
)

// patientPolls is after how many looks without a new report, a heartbeat
// apart, a worker counts as hung.
const patientPolls = 2 * fleet.MissedBeats

// silence finds workers whose process lives and does nothing: to the kernel
// they are well, and only that their reports stop shows it. It counts looks and
// not time, so that a machine that slept, or a clock that was set, condemns nobody.
type silence map[string]heard

type heard struct {
	at    time.Time // of the last report
	polls int       // since then
}

// hanging takes the reports of the workers there are, and returns those that hang.
func (s silence) hanging(ws []platform.WorkerReport) (hung []string) {
	there := map[string]bool{}
	for _, w := range ws {
		if w.State == platform.Booting {
			continue
		}
		there[w.ID] = true
		h := s[w.ID]
		if !h.at.Equal(w.At) {
			h = heard{at: w.At}
		}
		h.polls++
		s[w.ID] = h
		if h.polls > patientPolls {
			hung = append(hung, w.ID)
		}
	}
	for id := range s {
		if !there[id] {
			delete(s, id)
		}
	}
	return hung
}

// replaceHung declares workers dead that hang, as a group's health check does:
// the fleet ends their processes and starts others.
func (m *Machine) replaceHung(run context.Context, owner *sqlite.Backend) {
	s := silence{}
	for run.Err() == nil {
		timer := time.NewTimer(time.Duration(m.settings.Current().HeartbeatSeconds * float64(time.Second)))
		select {
		case <-run.Done():
		case <-timer.C:
		}
		timer.Stop()
		ws, err := m.backend.Fleet.Workers(run, Pool)
		if err != nil {
			continue // the next check shows it
		}
		for _, id := range s.hanging(ws) {
			m.log.Warn("a worker hangs and is replaced", "worker", id)
			if err := owner.MarkGone(run, id); err != nil && run.Err() == nil {
				m.log.Error("declare a worker dead", "worker", id, "error", err)
			}
		}
	}
}
