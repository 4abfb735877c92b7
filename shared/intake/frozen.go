package intake

import (
	"context"
	"paragon/shared/core/workload"
	"time"

	"paragon/shared/platform"
)

// A process of a function is frozen once it has answered, and may never be
// continued: what it has not written by then may be lost. One line of the log a
// request would cost $0.3 a million, and so a busy process lets a few arrivals
// wait for the next request: never more than may be missing.
const (
	// knownFor is how far back the controller reads arrivals again.
	knownFor = 2 * time.Minute
	// mayMiss is the share of the last arrivals that the controller may miss.
	mayMiss = 0.01
)

// FlushDue is Flush for a process that may be frozen when the request at hand is
// answered. It lets arrivals of this second wait for others that share their line,
// while they are at most a hundredth of those that were written in the last two
// minutes.
func (s *Service) FlushDue(ctx context.Context) error {
	s.reportTallies(ctx)
	s.limits.Flush(ctx)
	s.flushOwners(ctx)
	return s.put(ctx, s.arrivals.due(s.Now()))
}

// due takes the counts that may not wait: all, or those of earlier seconds.
func (a *arrivals) due(now time.Time) map[arrival]workload.Demand {
	a.mu.Lock()
	defer a.mu.Unlock()
	pending := 0.0
	earlier, current := map[arrival]workload.Demand{}, map[arrival]workload.Demand{}
	for k, d := range a.counts {
		if k.second < now.Unix() {
			earlier[k] = d
			continue
		}
		pending += d.Queries
		current[k] = d
	}
	if pending > mayMiss*a.written.since(now.Add(-knownFor)) {
		earlier, current = a.counts, nil
	}
	a.counts = current
	return earlier
}

// written counts arrivals by the second in which they were written, for as long
// as knownFor. The zero value has counted none.
type written struct {
	counts [knownFor / time.Second]struct {
		second int64 // Unix time
		n      float64
	}
}

func (w *written) add(now time.Time, n float64) {
	second := now.Unix()
	c := &w.counts[int(second)%len(w.counts)]
	if c.second != second {
		c.second, c.n = second, 0
	}
	c.n += n
}

func (w *written) since(from time.Time) (n float64) {
	for _, c := range w.counts {
		if c.second > from.Unix() {
			n += c.n
		}
	}
	return n
}

// reportTallies writes what this process has counted, if that is due and no
// worker reports it: at most once in heartbeat_seconds. Tallies are cumulative,
// so that one that fails is made up for by the next.
func (s *Service) reportTallies(ctx context.Context) {
	if s.Counts == nil || s.Reports == nil {
		return
	}
	now := s.Now()
	t := s.Counts.Due(now, time.Duration(s.Settings().HeartbeatSeconds*float64(time.Second)))
	if t.IsZero() {
		return
	}
	if err := platform.ReportTallies(ctx, s.Reports, s.ID, t); err != nil {
		s.Log.Warn("what was counted is not reported yet", "error", err)
	}
}
