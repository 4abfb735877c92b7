package intake

import (
	"context"
	"fmt"
	"time"

	"paragon/shared/cloud"
	"paragon/shared/core/calibration"
	"paragon/shared/core/feedback"
	"paragon/shared/core/query"
	"paragon/shared/core/staleness"
)

// Status is the stage at one moment, for people and their scripts. It holds
// nothing of any one caller.
type Status struct {
	At       time.Time                   `json:"at"`
	Pools    []PoolStatus                `json:"pools"`
	Queues   map[string]QueueStatus      `json:"queues"`
	Classes  map[query.Class]ClassStatus `json:"classes"`
	Overflow OverflowStatus              `json:"overflow"`
	// Drifted are the models that callers say are less, or more, accurate than
	// their profiles do.
	Drifted []feedback.Drifted `json:"drifted,omitempty"`
	// Profiles are those that are too old, or that live answers contradict.
	Profiles []staleness.Warning `json:"profile_warnings,omitempty"`
	HomeStatus
}

// HomeStatus is what only the home's composition knows.
type HomeStatus struct {
	Desired map[string]int `json:"desired,omitempty"` // workers asked for, by pool
	// CostUSD is what workers and functions have cost since CostSince, as priced by the profiles.
	CostUSD         float64           `json:"cost_usd"`
	CostSince       time.Time         `json:"cost_since,omitzero"`
	Savings         *Savings          `json:"savings,omitempty"`
	SettingsVersion int64             `json:"settings_version"`
	SettingsFaults  []string          `json:"settings_faults,omitempty"`
	Paced           bool              `json:"paced"` // runners are held to their profiles' service times
	Versions        map[string]string `json:"versions,omitempty"`
}

// Savings is the cost so far beside what other schemes would have cost on the
// same arrivals by the simulator, when its figures may be quoted; else why not.
type Savings struct {
	calibration.Verdict
	// CostUSD is what the home had cost when the others were simulated, at To.
	CostUSD float64      `json:"cost_usd,omitempty"`
	To      time.Time    `json:"to,omitzero"`
	Others  []SchemeCost `json:"others,omitempty"`
}

// SchemeCost is what a scheme would have cost.
type SchemeCost struct {
	Scheme  string  `json:"scheme"`
	CostUSD float64 `json:"cost_usd"`
}

// PoolStatus is the workers of one pool.
type PoolStatus struct {
	Name         string   `json:"name"`
	InstanceType string   `json:"instance_type"`
	Tasks        []string `json:"tasks,omitempty"` // absent means every task
	Booting      int      `json:"booting"`
	Ready        int      `json:"ready"`
	Draining     int      `json:"draining"`
	Runners      int      `json:"runners"` // of the ready workers
	Busy         int      `json:"busy"`
	Held         int      `json:"held"` // queries that the workers hold and do not run yet
	Answered     int64    `json:"answered"`
	Bounced      int64    `json:"bounced"`
}

// QueueStatus is what a queue holds.
type QueueStatus struct {
	Visible  int     `json:"visible"`
	InFlight int     `json:"in_flight"`
	OldestMS float64 `json:"oldest_ms"` // age of the oldest visible message
}

// ClassStatus is one SLO class over the newest queries.
type ClassStatus struct {
	ArrivalsPerSecond float64 `json:"arrivals_per_second"` // over the last minute
	// LastMinute is the arrivals of each of 60 seconds, oldest first. It leaves
	// out the newest settleSeconds, which are not all written yet.
	LastMinute []float64 `json:"arrivals_last_minute"`
	Recent     int       `json:"recent"` // of the newest queries, those that finished and were not cancelled
	Met        int       `json:"met"`    // of them, in their bound
	// Attainment is Met of Recent, in percent; absent while there is none.
	Attainment *float64 `json:"attainment_percent,omitempty"`
}

// OverflowStatus is the part of inference functions in the newest queries.
type OverflowStatus struct {
	Answered    int     `json:"answered"`     // newest queries with an answer
	OnFunctions int     `json:"on_functions"` // of them, by an inference function
	Share       float64 `json:"share"`        // OnFunctions of Answered, 0 to 1
}

// recentQueries is over how many of the newest queries the status looks back.
const recentQueries = 500

// Status gathers the state of the stage.
func (s *Service) Status(ctx context.Context) (Status, error) {
	st := Status{At: s.Now(), Queues: map[string]QueueStatus{}, Drifted: s.drifted(ctx, s.Settings())}
	if s.Config.Status != nil {
		st.HomeStatus = s.Config.Status(ctx)
	}
	for _, q := range s.queues() {
		d, err := s.Queues.Depth(ctx, q)
		if err != nil {
			return st, fmt.Errorf("status: depth of queue %s: %w", q, err)
		}
		st.Queues[string(q)] = QueueStatus{d.Visible, d.InFlight, query.Milliseconds(d.Oldest)}
	}
	for _, p := range s.Pools {
		ws, err := s.Fleet.Workers(ctx, p.Name)
		if err != nil {
			return st, fmt.Errorf("status: workers of pool %s: %w", p.Name, err)
		}
		st.Pools = append(st.Pools, poolStatus(p, ws))
	}
	rs, err := s.Store.Recent(ctx, "", recentQueries)
	if err != nil {
		return st, fmt.Errorf("status: recent queries: %w", err)
	}
	st.Overflow, st.Classes, st.Profiles = overflowStatus(rs), classStatus(rs), s.staleProfiles(rs, st.At)
	return st, s.addRates(ctx, st)
}

// queues lists every queue of the stage.
func (s *Service) queues() []cloud.QueueName {
	qs := []cloud.QueueName{cloud.Overflow, cloud.DeadLetters}
	for _, p := range s.Pools {
		qs = append(qs, cloud.WorkQueue(p.Name, query.Strict), cloud.WorkQueue(p.Name, query.Relaxed))
	}
	return qs
}

func poolStatus(p Pool, ws []cloud.WorkerReport) PoolStatus {
	out := PoolStatus{Name: p.Name, InstanceType: p.InstanceType, Tasks: p.Tasks}
	for _, w := range ws {
		switch w.State {
		case cloud.Booting:
			out.Booting++
		case cloud.Ready:
			out.Ready++
			out.Runners += w.Runners
		case cloud.Draining:
			out.Draining++
		}
		out.Busy += w.Busy
		out.Held += w.HeldStrict + w.HeldRelaxed
		out.Answered += w.Answered
		out.Bounced += w.Bounced
	}
	return out
}

func overflowStatus(rs []query.Record) OverflowStatus {
	var o OverflowStatus
	for _, r := range rs {
		if r.State == query.Succeeded && r.Outcome != nil {
			o.Answered++
			if r.Outcome.RanOn.Kind == query.OnFunction {
				o.OnFunctions++
			}
		}
	}
	if o.Answered > 0 {
		o.Share = float64(o.OnFunctions) / float64(o.Answered)
	}
	return o
}

func classStatus(rs []query.Record) map[query.Class]ClassStatus {
	out := map[query.Class]ClassStatus{query.Strict: {}, query.Relaxed: {}}
	for _, r := range rs {
		if !r.State.Terminal() || r.State == query.Cancelled {
			continue
		}
		c := out[r.Class]
		c.Recent++
		if r.Met() {
			c.Met++
		}
		percent := 100 * float64(c.Met) / float64(c.Recent)
		c.Attainment = &percent
		out[r.Class] = c
	}
	return out
}

// settleSeconds is how long the arrivals of a second take to be written: they
// are flushed every second.
const settleSeconds = 2

// addRates fills in the arrivals of the last minute, from the metrics.
func (s *Service) addRates(ctx context.Context, st Status) error {
	const seconds = 60
	to := st.At.Truncate(time.Second).Add(-settleSeconds * time.Second)
	from := to.Add(-seconds * time.Second)
	for class, c := range st.Classes {
		c.LastMinute = make([]float64, seconds)
		for _, t := range s.Catalogue.Tasks {
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
