// Package calibration says whether the simulator's savings may be quoted for a
// home: only when runs on that backend were held to their simulation and it came
// close. It is the one rule behind `paragon-lab calibrate`, `paragon replay`, the
// status and the page.
package calibration

import (
	"fmt"
	"math"
	"time"
)

// MostErrorPercent is the error of the simulated cost and of the simulated mean
// of workers that must not be reached, and FewestTraces on how many traces.
const (
	MostErrorPercent = 5
	FewestTraces     = 2
)

// Run is one recorded run beside its simulation. Errors are by how many percent
// the simulation is off what was seen.
type Run struct {
	Trace               string  `json:"trace"`
	Seed                uint64  `json:"seed"`
	CostUSD             float64 `json:"cost_usd"`
	CostErrorPercent    float64 `json:"cost_error_percent"`
	WorkersMean         float64 `json:"workers_mean"`
	WorkersErrorPercent float64 `json:"workers_error_percent"`
	// WorkersApartPercent is the mean distance between both numbers of workers,
	// tick by tick, of the mean that was seen.
	WorkersApartPercent float64 `json:"workers_apart_percent"`
	// Of each class, what missed its bound in the run and in its simulation.
	StrictMissedPercent           float64 `json:"strict_missed_percent"`
	StrictMissedSimulatedPercent  float64 `json:"strict_missed_simulated_percent"`
	RelaxedMissedPercent          float64 `json:"relaxed_missed_percent"`
	RelaxedMissedSimulatedPercent float64 `json:"relaxed_missed_simulated_percent"`
}

// Close tells whether the simulation came close enough. What is no number is
// close to nothing.
func (r Run) Close() bool {
	return math.Abs(r.CostErrorPercent) < MostErrorPercent && math.Abs(r.WorkersErrorPercent) < MostErrorPercent
}

// Report is a calibration as a backend keeps it.
type Report struct {
	At        time.Time `json:"at"` // when the last run ended
	Version   string    `json:"version"`
	Scheme    string    `json:"scheme"`
	Catalogue string    `json:"catalogue"`
	TimeScale float64   `json:"time_scale"`
	Runs      []Run     `json:"runs"`
}

// Verdict says whether savings may be quoted, why, and else what to do.
type Verdict struct {
	Quoted bool   `json:"quoted"`
	Why    string `json:"why"`
	Next   string `json:"next,omitempty"`
}

// String is the verdict as a sentence or two.
func (v Verdict) String() string {
	switch {
	case v.Quoted:
		return "savings are quoted: " + v.Why
	case v.Next == "":
		return "no savings are quoted: " + v.Why
	}
	return "no savings are quoted: " + v.Why + "; " + v.Next
}

// Judge gives the verdict on a backend on one machine. stored is nil when there is
// no calibration; version is that of the program which would quote; command is
// what a person runs to calibrate this backend.
func Judge(stored *Report, version, command string) Verdict {
	run := "run `" + command + "`"
	if stored == nil {
		return Verdict{Why: "no calibration of the simulation exists for this stage", Next: run}
	}
	if stored.Version != version {
		return Verdict{Why: fmt.Sprintf("the calibration is of version %s, and this is %s", stored.Version, version), Next: run + " again"}
	}
	traces := map[string]bool{}
	for _, r := range stored.Runs {
		traces[r.Trace] = true
		if !r.Close() {
			return Verdict{
				Why: fmt.Sprintf("on the trace %q of %s the simulation was off by %+.1f %% in cost and %+.1f %% in mean workers, and below %d %% is needed of both",
					r.Trace, day(stored.At), r.CostErrorPercent, r.WorkersErrorPercent, MostErrorPercent),
				Next: run + " again while the machine does nothing else",
			}
		}
	}
	if len(traces) < FewestTraces {
		return Verdict{Why: fmt.Sprintf("the calibration of %s played %d of the %d traces that are needed", day(stored.At), len(traces), FewestTraces), Next: run + " again"}
	}
	cost, workers := stored.worst()
	return Verdict{Quoted: true, Why: fmt.Sprintf("on %d traces, calibrated on %s under %s, the simulation was off by at most %.1f %% in cost and %.1f %% in mean workers",
		len(traces), day(stored.At), stored.Scheme, cost, workers)}
}

// Deployment is the verdict on a backend in an account. What was measured on one
// machine says nothing of its boots, metrics and queues.
func Deployment() Verdict {
	return Verdict{
		Why:  "`paragon-lab calibrate` measures a machine, and that does not vouch for a deployment, whose boots, metrics and queues are others",
		Next: "compare with the account's bill before you change the scheme",
	}
}

// worst is the largest error of each kind, without its sign.
func (r Report) worst() (cost, workers float64) {
	for _, run := range r.Runs {
		cost, workers = max(cost, math.Abs(run.CostErrorPercent)), max(workers, math.Abs(run.WorkersErrorPercent))
	}
	return cost, workers
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
