// Package calibration says how far off the simulator's costs may be for a stage, by
// runs of a whole stage and by the stage's own past, each compared with its
// simulation. It is the one rule behind `paragon-lab calibrate`, `paragon savings`,
// `paragon replay`, the status and the page.
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

// LeastPast is for how long workers or functions must have cost something before a stage's
// own past yields an error: as long as one of the runs that ship with Paragon.
const LeastPast = time.Hour

// Past is a stage's recent past compared with its simulation under the scheme that ran.
type Past struct {
	Cost      time.Duration // for how long the stage cost something
	Scheme    string
	Catalogue string
	// CostUSD is what the stage counted of its workers and functions, and SimulatedUSD
	// what the simulator makes of the same arrivals.
	CostUSD, SimulatedUSD float64
	// Unknown is why this yields no error, such as a change of the scheme within the time.
	Unknown string
}

// errorPercent is by how much the simulation is off what the stage counted; false
// where the past is too short to say.
func (p *Past) errorPercent() (percent float64, known bool) {
	if p == nil || p.Unknown != "" || p.Cost < LeastPast || !(p.CostUSD > 0) {
		return 0, false
	}
	return 100 * (p.SimulatedUSD/p.CostUSD - 1), true
}

// why says why the past yields no error.
func (p *Past) why() string {
	if p != nil && p.Unknown != "" {
		return p.Unknown
	}
	return fmt.Sprintf("in the compared time, the stage had costs for less than %.0f h, which is too short to measure the error of its simulation", LeastPast.Hours())
}

// Evidence is what is known of the simulator's error for a stage.
type Evidence struct {
	// Stored is the calibration of the machine that the stage runs on; nil where there
	// is none.
	Stored *Report
	// Command is what a person runs to calibrate this machine; empty for a stage in an
	// account, where no run can be calibrated: there its own past alone counts.
	Command string
	// Past is the stage's own past; nil where it was not simulated.
	Past *Past
}

// Judge gives the verdict on what is simulated. The error is the larger one of that of
// recorded runs and that of the stage's own past. Where either had another catalogue,
// version or scheme than what is simulated, it is taken to be widened times as large.
func Judge(e Evidence, of Subject) Verdict {
	v := judgeRuns(e.Stored, of, e.Command)
	percent, known := e.Past.errorPercent()
	switch {
	case e.Command == "" && !known:
		return Verdict{Why: e.Past.why(), Next: "compare another time, or try again later"}
	case !v.Quoted || !known:
		return v
	}
	own := Verdict{Quoted: true, ErrorPercent: max(size(percent), leastError), Why: fmt.Sprintf("for %.1f h of this stage's own past under scheme %s, the simulation was off by %+.1f %% in cost", e.Past.Cost.Hours(), e.Past.Scheme, percent)}
	own = own.widenedFor("that time", Report{Version: of.Version, Scheme: e.Past.Scheme, Catalogue: e.Past.Catalogue}, of)
	larger := "the first"
	if own.ErrorPercent > v.ErrorPercent {
		v.ErrorPercent, larger = own.ErrorPercent, "that of the stage's own past"
	}
	v.Why += fmt.Sprintf("; %s; the margin of error is the larger of these two errors, %s", own.Why, larger)
	if !(v.ErrorPercent < mostError) {
		return Verdict{Why: v.Why, Next: fmt.Sprintf("no savings are shown if the margin of error is %.0f %% or more; compare a time without interruptions", float64(mostError))}
	}
	return v
}

// judgeRuns gives the verdict by recorded runs alone. Without runs of this machine on
// enough traces, the error is at least that of the shipped runs.
func judgeRuns(stored *Report, of Subject, command string) Verdict {
	run := "run `" + command + "`"
	shippedCost, shippedWorkers := Shipped.worst()
	shipped := fmt.Sprintf("in the %d runs that ship with Paragon the simulation was off by at most %.1f %% in cost and %.1f %% in mean workers", len(Shipped.Runs), shippedCost, shippedWorkers)
	const runs = "those runs"
	switch {
	case command == "":
		return Verdict{Quoted: true, ErrorPercent: shippedCost, Why: shipped}.widenedFor(runs, Shipped, of)
	case stored == nil:
		v := Verdict{Quoted: true, ErrorPercent: shippedCost, Why: shipped, Next: run + " to measure the error on this machine; `make build` builds paragon-lab"}
		return v.widenedFor(runs, Shipped, of)
	case stored.Version != of.Version:
		v := Verdict{Quoted: true, ErrorPercent: shippedCost, Why: fmt.Sprintf("%s; this machine was calibrated with version %s of Paragon, and this is version %s", shipped, stored.Version, of.Version), Next: run + " again"}
		return v.widenedFor(runs, Shipped, of)
	}
	traces := map[string]bool{}
	for _, r := range stored.Runs {
		traces[r.Trace] = true
	}
	cost, workers := stored.worst()
	v := Verdict{Quoted: true, ErrorPercent: max(cost, leastError), Why: fmt.Sprintf("on %d traces, calibrated on %s under %s, the simulation was off by at most %.1f %% in cost and %.1f %% in mean workers",
		len(traces), day(stored.At), stored.Scheme, cost, workers)}
	if len(traces) < FewestTraces {
		v.ErrorPercent, v.Next = max(v.ErrorPercent, shippedCost), fmt.Sprintf("%s on at least %d traces: until then, the margin is at least the error of the runs that ship with Paragon", run, FewestTraces)
	}
	v = v.widenedFor(runs, *stored, of)
	if !(v.ErrorPercent < mostError) {
		return Verdict{Why: v.Why, Next: run + " again while the machine does nothing else"}
	}
	return v
}

// widened is how many times as large as measured the error is taken to be where the
// runs differ from what is simulated. It is a margin that was chosen, not measured.
const widened = 2

// widenedFor is the verdict on what is simulated by runs that may have been others; what
// names these runs.
func (v Verdict) widenedFor(what string, runs Report, of Subject) Verdict {
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
	v.Why += fmt.Sprintf("; %s had %s, which differs from this simulation, so the margin is doubled", what, strings.Join(differ, ", "))
	return v
}

// An error is taken to be leastError percent at least, as few runs show little of
// it; from mostError on an interval says nothing.
const (
	leastError = 1
	mostError  = 50
)

// InAccount is what the status of a stage in an account says: its api function runs no
// simulation.
func InAccount() Verdict {
	return Verdict{
		Why:  "the api function of a stage in an account does not simulate other schemes",
		Next: "`paragon savings --stage NAME` simulates the recent arrivals of the stage, and prints what they would have cost, with a margin of error",
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
