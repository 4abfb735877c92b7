package intake

import (
	"context"
	"time"

	"github.com/paragon-serving/paragon/shared/core/tally"
	"github.com/paragon-serving/paragon/shared/core/workload"
	"github.com/paragon-serving/paragon/shared/platform"
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
	// asksEvery is how often what arrivals ask for is written besides: it doubles
	// a line, and the controller needs a mean of it alone.
	asksEvery = time.Minute
)

// FlushDue is Flush for a process that may be frozen when the request at hand is
// answered. It lets arrivals of this second wait for others that share their line,
// while they are at most a hundredth of those that were written in the last two
// minutes.
func (s *Service) FlushDue(ctx context.Context) error {
	s.reportTallies(ctx, (*tally.Book).DueRarely)
	s.flushLeases(ctx)
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
	a.asks.part(earlier, now)
	return earlier
}

// asks is what arrivals asked for whose number is written.
type asks struct {
	sum     workload.Demand
	second  int64     // of the newest of them
	wroteAt time.Time // when it was written last
}

// part takes out of counts that are to be written what the queries ask for, and
// puts it back as one when it is time to.
func (a *asks) part(counts map[arrival]workload.Demand, now time.Time) {
	for k, d := range counts {
		counts[k] = workload.Demand{Queries: d.Queries}
		d.Queries = 0
		a.sum, a.second = a.sum.Plus(d), max(a.second, k.second)
	}
	if len(counts) > 0 && now.Sub(a.wroteAt) >= asksEvery {
		a.wroteAt = now
		a.join(counts)
	}
}

// join adds to counts what was taken out of earlier ones.
func (a *asks) join(counts map[arrival]workload.Demand) {
	k := arrival{second: a.second}
	counts[k] = counts[k].Plus(a.sum)
	a.sum = workload.Demand{}
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
func (s *Service) reportTallies(ctx context.Context, due func(b *tally.Book, now time.Time, every time.Duration) tally.Snapshot) {
	if s.Counts == nil || s.Reports == nil {
		return
	}
	t := due(s.Counts, s.Now(), time.Duration(s.Settings().HeartbeatSeconds*float64(time.Second)))
	if t.IsZero() {
		return
	}
	if err := platform.ReportTallies(ctx, s.Reports, s.ID, t); err != nil {
		s.Log.Warn("could not report the counts of ended queries; they are reported later", "error", err)
	}
}
