package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/fleet"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/platform"
)

// Status gathers the state of the stage.
func (s *Service) Status(ctx context.Context) (api.Status, error) {
	s.refreshView(ctx) // it says what is withheld
	st := api.Status{At: s.Now(), Queues: map[string]api.QueueStatus{}, Drifted: s.drifted(ctx, s.Settings())}
	if s.Config.Status != nil {
		st.BackendStatus = s.Config.Status(ctx)
	}
	for _, q := range s.queues() {
		d, err := s.Queues.Depth(ctx, q)
		if err != nil {
			return st, fmt.Errorf("status: depth of queue %s: %w", q, err)
		}
		st.Queues[string(q)] = api.QueueStatus{Visible: d.Visible, InFlight: d.InFlight, OldestMS: query.Milliseconds(d.Oldest)}
	}
	for _, p := range s.Pools {
		ws, err := s.Fleet.Workers(ctx, p.Name)
		if err != nil {
			return st, fmt.Errorf("status: workers of pool %s: %w", p.Name, err)
		}
		st.Pools = append(st.Pools, poolStatus(p, ws, fleet.Count(ws, st.At, s.Settings())))
		s.addBroken(&st, ws)
	}
	s.addBrokenFunctions(&st)
	set := s.Settings()
	st.Scheme, st.Fleet = set.Scheme, set.Fleet
	withheld := s.prepared().from.Withheld
	for _, name := range slices.Sorted(maps.Keys(withheld)) {
		st.Withheld = append(st.Withheld, api.WithheldModel{Model: name, Why: withheld[name]})
	}
	if err := s.addTraffic(ctx, &st); err != nil {
		return st, err
	}
	return st, s.addRates(ctx, st)
}

// queues lists every queue of the stage.
func (s *Service) queues() []platform.QueueName {
	qs := []platform.QueueName{platform.Overflow, platform.DeadLetters}
	for _, p := range s.Pools {
		qs = append(qs, platform.WorkQueue(p.Name, query.Strict), platform.WorkQueue(p.Name, query.Relaxed))
	}
	return qs
}

// poolStatus counts a pool's workers as the controller does.
func poolStatus(p Pool, ws []platform.WorkerReport, c fleet.Census) api.PoolStatus {
	out := api.PoolStatus{
		Name: p.Name, InstanceType: p.InstanceType, Tasks: p.Tasks,
		Booting: len(c.Booting), Ready: len(c.Ready), Draining: len(c.Draining), Stuck: len(c.Stuck) + len(c.Dead),
	}
	for _, w := range c.Ready {
		out.Runners += w.Runners
	}
	for _, w := range ws {
		out.Busy += w.Busy
		out.Queued += w.HeldStrict + w.HeldRelaxed
		out.Answered += w.Answered
		out.Overflowed += w.Overflowed
	}
	return out
}

// settleSeconds is how long the arrivals of a second take to be written: they
// are flushed every second.
const settleSeconds = 2

// addRates fills in the arrivals of the last minute, from the metrics.
func (s *Service) addRates(ctx context.Context, st api.Status) error {
	const seconds = 60
	to := st.At.Truncate(time.Second).Add(-settleSeconds * time.Second)
	from := to.Add(-seconds * time.Second)
	for class, c := range st.Classes {
		c.LastMinute = make([]float64, seconds)
		for _, t := range s.catalogue().Tasks {
			series, err := s.Metrics.Series(ctx, MetricArrivals, ArrivalDimensions(t.Name, class), from, to, time.Second)
			if err != nil {
				return fmt.Errorf("status: arrivals of %s: %w", t.Name, err)
			}
			for _, p := range series {
				c.ArrivalsPerSecond += p.Sum / seconds
				if at := int(p.At.Sub(from) / time.Second); at >= 0 && at < seconds {
					c.LastMinute[at] += p.Sum
				}
			}
		}
		st.Classes[class] = c
	}
	return nil
}
