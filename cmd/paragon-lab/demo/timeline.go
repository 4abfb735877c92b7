package demo

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// Tick is what the controller saw and wanted at a moment of the trace, live or
// simulated.
type Tick struct {
	AtSeconds float64 `json:"at_seconds"`
	// Shown is the mean rate of the arrivals that this tick was the first to see.
	Shown    float64 `json:"shown_per_second"`
	QueuedMS float64 `json:"queued_ms"` // of one runner
	Busy     int     `json:"busy_runners"`
	Used     float64 `json:"used"`
	Idle     int     `json:"idle_workers"`
	Ready    int     `json:"ready"`
	Booting  int     `json:"booting"`
	Draining int     `json:"draining"`
	Wanted   int     `json:"wanted"`
	To       int     `json:"to"`       // after the bounds
	Overflow int     `json:"overflow"` // queries that went to functions so far
	Reason   string  `json:"reason"`
}

func tickOf(at time.Duration, scale float64, s procurement.Snapshot, d procurement.Decision) Tick {
	t := Tick{
		AtSeconds: at.Seconds() * scale, QueuedMS: s.Pool.QueuedMS, Busy: s.Pool.BusyRunners, Used: s.Pool.Used, Idle: len(s.Pool.IdleSeconds),
		Ready: s.Pool.Ready, Booting: s.Pool.Booting, Draining: s.Pool.Draining, Wanted: d.Workers, To: d.Workers, Reason: d.Reason,
	}
	for _, a := range s.Arrivals {
		t.Shown += a.All() / float64(len(s.Arrivals))
	}
	return t
}

// mostTicks is how many ticks are read of a run.
const mostTicks = 1000

// addTicks reads the controller's own records of the run.
func (r *Report) addTicks(ctx context.Context, cl *client.Client) error {
	all, err := cl.Decisions(ctx, api.DecisionQuery{Limit: mostTicks})
	if err != nil {
		return fmt.Errorf("read the decisions: %w", err)
	}
	for i := len(all) - 1; i >= 0; i-- {
		at := all[i].At.Sub(r.began)
		if at < 0 || at > r.length {
			continue
		}
		d, err := cl.Decision(ctx, all[i].ID)
		if err != nil {
			return fmt.Errorf("read a decision: %w", err)
		}
		rec, err := decision.Read(d.Record)
		if err != nil {
			return err
		}
		t := tickOf(at, r.TimeScale, rec.Case.Snapshot, procurement.Decision{Workers: rec.Wanted, Reason: rec.Reason})
		t.To, t.Overflow = rec.Action.To, r.overflowBy(at)
		r.Ticks = append(r.Ticks, t)
	}
	return nil
}

// overflowBy is how many of the queries that were sent by then went to functions.
func (r *Report) overflowBy(at time.Duration) int {
	n := 0
	for _, k := range r.overflow[:min(len(r.overflow), int(at/time.Second))] {
		n += k
	}
	return n
}

// watchTicks keeps a simulation's ticks.
func (r *Report) watchTicks(m simulate.Moment) {
	if at := m.At - r.quiet; at >= 0 && at <= r.length {
		t := tickOf(at, r.TimeScale, m.Snapshot, m.Decision)
		t.Overflow = int(m.Overflow)
		r.SimulatedTicks = append(r.SimulatedTicks, t)
	}
}

// apart is the mean distance between the workers of two runs, moment by moment,
// in percent of the first one's mean.
func apart(seen, simulated []Tick) float64 {
	sum, all, k := 0.0, 0.0, 0
	for _, t := range seen {
		for k+1 < len(simulated) && simulated[k+1].AtSeconds <= t.AtSeconds {
			k++
		}
		if k >= len(simulated) {
			break
		}
		sum += math.Abs(float64(t.Ready + t.Booting - simulated[k].Ready - simulated[k].Booting))
		all += float64(t.Ready + t.Booting)
	}
	if all == 0 {
		return 0
	}
	return 100 * sum / all
}
