package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/decision"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// Report is what a demonstration showed. Money and machine time are those of
// the trace's own length: what was spent times the time scale.
type Report struct {
	Scheme    string  `json:"scheme"`
	TimeScale float64 `json:"time_scale"`
	Functions bool    `json:"functions"`
	Seconds   float64 `json:"seconds"` // that it took
	Queries   int     `json:"queries"`
	CostUSD   float64 `json:"cost_usd"`
	// WorkersFirst, WorkersMost and WorkersLast are ready workers; WorkersMean is over time.
	WorkersFirst int     `json:"workers_first"`
	WorkersMost  int     `json:"workers_most"`
	WorkersLast  int     `json:"workers_last"`
	WorkersMean  float64 `json:"workers_mean"`
	Fleet        []Fleet `json:"fleet"`
	// PeakOverflowPercent is the largest share of strict queries that functions
	// answered in peakSeconds.
	PeakOverflowPercent float64 `json:"peak_overflow_percent"`
	// StrictMetPercent counts as the promise does, from acceptance to the
	// durable result; StrictWarmMetPercent leaves those out that met a cold start.
	StrictMetPercent     float64     `json:"strict_met_percent"`
	StrictWarmMetPercent float64     `json:"strict_warm_met_percent"`
	RelaxedMetPercent    float64     `json:"relaxed_met_percent"`
	ColdStarts           int         `json:"cold_starts"`
	Failed               int         `json:"failed"`
	Interrupted          int         `json:"interrupted"` // queries of which a run ended without an answer
	Grew                 int         `json:"grew"`        // how often the fleet began to grow
	Shrank               int         `json:"shrank"`
	Moves                []string    `json:"moves"`
	Load                 load.Report `json:"load"`
	Others               []Other     `json:"others"`
	// CostErrorPercent and WorkersErrorPercent are by how much the simulation of
	// the same scheme is off what was seen.
	CostErrorPercent    float64 `json:"cost_error_percent"`
	WorkersErrorPercent float64 `json:"workers_error_percent"`
	// BootSeconds is how long workers took to come in the run, in the mean.
	BootSeconds float64 `json:"boot_seconds"`
	// Sent is the queries of the run, by its seconds.
	Sent []float64 `json:"sent"`
	// Ticks are the run as its controller saw it, SimulatedTicks its simulation.
	Ticks          []Tick `json:"ticks"`
	SimulatedTicks []Tick `json:"simulated_ticks"`
	// WorkersApartPercent is how far the two are from each other over time.
	WorkersApartPercent float64 `json:"workers_apart_percent"`

	began             time.Time
	quiet             time.Duration // that the backend was up before
	overflow          []int         // of Sent, to functions
	length            time.Duration
	startUSD          float64
	endUSD            float64
	tally             *load.Tally
	strict            counts
	warm              counts
	relaxed           counts
	slices            map[int]*counts
	readySum, samples float64
}

// Fleet is the workers at a time of the trace.
type Fleet struct {
	AtSeconds float64 `json:"at_seconds"`
	Ready     int     `json:"ready"`
	Booting   int     `json:"booting"`
}

// Other is what a scheme costs in the simulation of the same load.
type Other struct {
	Scheme                  string  `json:"scheme"`
	CostUSD                 float64 `json:"cost_usd"`
	WorkersMean             float64 `json:"workers_mean"`
	StrictViolationPercent  float64 `json:"strict_violation_percent"`
	RelaxedViolationPercent float64 `json:"relaxed_violation_percent"`
}

// counts are queries, of them those in bound and those on functions.
type counts struct{ all, met, functions int }

func (c *counts) add(met, function bool) {
	c.all++
	if met {
		c.met++
	}
	if function {
		c.functions++
	}
}

func percent(of, all int) float64 {
	if all == 0 {
		return 0
	}
	return 100 * float64(of) / float64(all)
}

// peakSeconds is the width of the slices in which overflow is counted.
const peakSeconds = 10

func newReport(c Config, length time.Duration) Report {
	return Report{Scheme: c.Scheme, TimeScale: c.TimeScale, Functions: c.Functions, length: length, tally: load.NewTally(), slices: map[int]*counts{},
		Sent: make([]float64, int(length/time.Second)), overflow: make([]int, int(length/time.Second))}
}

func (r *Report) begin(s api.Status) {
	r.startUSD, r.WorkersFirst = s.CostUSD, s.Pools[0].Ready
	r.quiet = s.At.Sub(s.CostSince).Truncate(time.Second)
}

// observe counts the fleet at a moment.
func (r *Report) observe(at time.Duration, s api.Status) {
	p := s.Pools[0]
	r.WorkersMost, r.WorkersLast = max(r.WorkersMost, p.Ready), p.Ready
	if at <= r.length {
		r.endUSD = s.CostUSD // as the simulation bills: to the last arrival
		r.readySum, r.samples = r.readySum+float64(p.Ready+p.Booting), r.samples+1
	}
	r.Fleet = append(r.Fleet, Fleet{at.Seconds() * r.TimeScale, p.Ready, p.Booting})
}

// add counts an answer.
func (r *Report) add(row load.Row) {
	r.tally.Add(row)
	if i := int(row.Intended / time.Second); i < len(r.Sent) {
		r.Sent[i]++
		if row.Answer.ServedBy == query.OnFunction {
			r.overflow[i]++
		}
	}
	a := row.Answer
	if a.Retries > 0 {
		r.Interrupted++
	}
	met, function := a.State == query.Succeeded && a.MetSLO, a.ServedBy == query.OnFunction
	if row.Shot.Class == query.Relaxed {
		r.relaxed.add(met, function)
		return
	}
	r.strict.add(met, function)
	if !a.Cold {
		r.warm.add(met, function)
	}
	i := int(row.Intended.Seconds()) / peakSeconds
	if r.slices[i] == nil {
		r.slices[i] = &counts{}
	}
	r.slices[i].add(met, function)
}

// end adds everything up.
func (r *Report) end() {
	r.Load = r.tally.Report()
	r.Seconds, r.Queries, r.Failed, r.ColdStarts = r.Load.Seconds, r.Load.All.Sent, r.Load.All.Failed, r.Load.All.ColdStarts
	r.CostUSD = (r.endUSD - r.startUSD) * r.TimeScale
	r.StrictMetPercent, r.StrictWarmMetPercent = percent(r.strict.met, r.strict.all), percent(r.warm.met, r.warm.all)
	r.RelaxedMetPercent = percent(r.relaxed.met, r.relaxed.all)
	if r.samples > 0 {
		r.WorkersMean = r.readySum / r.samples
	}
	for _, c := range r.slices {
		if c.all >= 20 {
			r.PeakOverflowPercent = max(r.PeakOverflowPercent, percent(c.functions, c.all))
		}
	}
}

// mostMoves is how many moves are read.
const mostMoves = 1000

// addDecisions reports how the fleet moved, by the controller's own records.
func (r *Report) addDecisions(ctx context.Context, cl *client.Client) error {
	moves, err := cl.Decisions(ctx, api.DecisionQuery{Moves: true, Limit: mostMoves})
	if err != nil {
		return fmt.Errorf("read the decisions: %w", err)
	}
	before := ""
	for i := len(moves) - 1; i >= 0; i-- {
		r.Moves = append(r.Moves, moves[i].Line)
		d, err := cl.Decision(ctx, moves[i].ID)
		if err != nil {
			return fmt.Errorf("read a decision: %w", err)
		}
		rec, err := decision.Read(d.Record)
		if err != nil {
			return err
		}
		now := before
		switch asked := rec.Case.Group.Desired; {
		case rec.Action.Set && rec.Action.To > asked:
			now = "grew"
		case rec.Action.Set && rec.Action.To < asked:
			now = "shrank"
		}
		if now != before && now == "grew" {
			r.Grew++
		} else if now != before {
			r.Shrank++
		}
		before = now
	}
	return nil
}
