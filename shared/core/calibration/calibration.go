// Package calibration says how far off the simulator's costs may be on a
// machine, by runs of a whole stage that were compared with their simulation. It
// is the one rule behind `paragon-lab calibrate`, `paragon replay`, the status and
// the page.
package calibration

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// FewestTraces is on how many traces a machine must have been run for its own
// error to count alone.
const FewestTraces = 2

// Run is one recorded run with its simulation. Errors are by how many percent
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

// Report is a calibration as a backend keeps it.
type Report struct {
	At        time.Time `json:"at"` // when the last run ended
	Version   string    `json:"version"`
	Scheme    string    `json:"scheme"`
	Catalogue string    `json:"catalogue"`
	TimeScale float64   `json:"time_scale"`
	Runs      []Run     `json:"runs"`
}

// Verdict says within which error simulated costs are known, why, and what would
// make them known better.
type Verdict struct {
	// Quoted is false where nothing was ever measured.
	Quoted bool `json:"quoted"`
	// ErrorPercent is the most by which the simulated cost was off a run, in either direction;
	// twice that where the runs differ from what is simulated.
	ErrorPercent float64 `json:"error_percent,omitempty"`
	Why          string  `json:"why"`
	Next         string  `json:"next,omitempty"`
}

// String is the verdict as a sentence or two.
func (v Verdict) String() string {
	text := "no savings are quoted: " + v.Why
	if v.Quoted {
		text = fmt.Sprintf("simulated costs are known within ±%.1f %%: %s", v.ErrorPercent, v.Why)
	}
	if v.Next == "" {
		return text
	}
	return text + "; " + v.Next
}

// Interval is what the real cost may be of one that was simulated, in US dollars.
func (v Verdict) Interval(simulatedUSD float64) (low, high float64) {
	e := v.ErrorPercent / 100
	return simulatedUSD / (1 + e), simulatedUSD / (1 - e)
}

// Subject is what is simulated: by which version of the program, with which catalogue,
// under which schemes.
type Subject struct {
	Version, Catalogue string
	Schemes            []string
}

// Judge gives the verdict on one machine. stored is the calibration of this
// machine, nil when there is none; of is what is simulated; command is what a person
// runs to calibrate this machine. Without runs of this machine on enough traces, the
// error is at least that of the shipped runs. Where the runs had another catalogue,
// another version or another scheme than what is simulated, the error is taken to be
// widened times as large.
func Judge(stored *Report, of Subject, command string) Verdict {
	run := "run `" + command + "`"
	shippedCost, shippedWorkers := Shipped.worst()
	shipped := fmt.Sprintf("in the %d runs that ship with Paragon the simulation was off by at most %.1f %% in cost and %.1f %% in mean workers", len(Shipped.Runs), shippedCost, shippedWorkers)
	switch {
	case stored == nil:
		v := Verdict{Quoted: true, ErrorPercent: shippedCost, Why: shipped, Next: run + " to measure it on this machine"}
		return v.widenedFor(Shipped, of)
	case stored.Version != of.Version:
		v := Verdict{Quoted: true, ErrorPercent: shippedCost, Why: fmt.Sprintf("%s; this machine's calibration is of version %s, and this is %s", shipped, stored.Version, of.Version), Next: run + " again"}
		return v.widenedFor(Shipped, of)
	}
	traces := map[string]bool{}
	for _, r := range stored.Runs {
		traces[r.Trace] = true
	}
	cost, workers := stored.worst()
	v := Verdict{Quoted: true, ErrorPercent: max(cost, leastError), Why: fmt.Sprintf("on %d traces, calibrated on %s under %s, the simulation was off by at most %.1f %% in cost and %.1f %% in mean workers",
		len(traces), day(stored.At), stored.Scheme, cost, workers)}
	if len(traces) < FewestTraces {
		v.ErrorPercent, v.Next = max(v.ErrorPercent, shippedCost), fmt.Sprintf("%s on %d traces at least: until then, the error of the shipped runs is used if it is larger", run, FewestTraces)
	}
	v = v.widenedFor(*stored, of)
	if !(v.ErrorPercent < mostError) {
		return Verdict{Why: v.Why, Next: run + " again while the machine does nothing else"}
	}
	return v
}

// widened is how many times as large as measured the error is taken to be where the
// runs differ from what is simulated. It is a margin that was chosen, not measured.
const widened = 2

// widenedFor is the verdict on what is simulated by runs that may have been others.
func (v Verdict) widenedFor(runs Report, of Subject) Verdict {
	var differ []string
	if runs.Version != of.Version {
		differ = append(differ, "version "+runs.Version+" of Paragon")
	}
	if runs.Catalogue != of.Catalogue {
		differ = append(differ, "catalogue "+runs.Catalogue)
	}
	if slices.ContainsFunc(of.Schemes, func(s string) bool { return s != runs.Scheme }) {
		differ = append(differ, "scheme "+runs.Scheme)
	}
	if len(differ) == 0 {
		return v
	}
	v.ErrorPercent *= widened
	v.Why += fmt.Sprintf("; those runs had %s, and what is simulated here has another, so the margin is doubled", strings.Join(differ, ", "))
	return v
}

// An error is taken to be leastError percent at least, as few runs show little of
// it; from mostError on an interval says nothing.
const (
	leastError = 1
	mostError  = 50
)

// Deployment is the verdict on a stage in an account. What was measured on one
// machine says nothing of its boots, metrics and queues.
func Deployment() Verdict {
	return Verdict{
		Why: "`paragon-lab calibrate` measures one machine; its result is not valid for a deployment, which has other boot times, metrics and queues",
		Next: "`paragon replay --stage NAME --task TASK --uncalibrated` prints the simulated cost of every scheme without a margin; " +
			"to judge it, compare the line of the scheme that ran with the account's bill for those hours",
	}
}

// worst is the largest error of each kind, without its sign; infinite when one is
// no number.
func (r Report) worst() (cost, workers float64) {
	for _, run := range r.Runs {
		cost, workers = max(cost, size(run.CostErrorPercent)), max(workers, size(run.WorkersErrorPercent))
	}
	return cost, workers
}

func size(percent float64) float64 {
	if math.IsNaN(percent) {
		return math.Inf(1)
	}
	return math.Abs(percent)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
