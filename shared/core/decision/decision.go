// Package decision makes the decision of one tick and its record: what was
// known and how old it was, what was weighed, why each candidate lost, what the
// guard clamped and what is to be done. The log, `paragon explain`, the
// dashboard and the tests print this one value, and replaying it gives the
// same bytes.
//
// A scheme says what it wants. Around it stand two things that no scheme can
// pass: signals that cannot be trusted hold the fleet (signals.go, hold.go),
// and the guard bounds what is asked for (guard.go). All of it is pure.
package decision

import (
	"fmt"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Signal is one thing that was looked at, with its age.
type Signal struct {
	Name       string  `json:"name"`
	AgeSeconds float64 `json:"age_seconds"`
	Fault      string  `json:"fault,omitempty"` // why it cannot be relied upon
	Note       string  `json:"note,omitempty"`  // what else is to be said
}

// Group is what the cloud allows of a pool, read anew in each tick.
type Group struct {
	Min     int `json:"min"`
	Max     int `json:"max"`
	Desired int `json:"desired"` // what was asked for last
	// Warm are the stopped instances that are ready to be started: the next workers.
	Warm int `json:"warm,omitempty"`
	// LaunchFault is why the newest launch of a worker failed; empty when it did not.
	LaunchFault string `json:"launch_fault,omitempty"`
}

// Others is what the other pools' workers take of the budget, which is the stage's.
type Others struct {
	SpentUSD float64 `json:"spent_usd"` // in this clock hour so far
	// DecidedUSDPerHour is of the workers of the pools for which this tick has decided already.
	DecidedUSDPerHour float64 `json:"decided_usd_per_hour"`
	// WantedUSDPerHour is of the workers that each of the remaining pools wanted in the last
	// tick, without regard to the budget.
	WantedUSDPerHour []float64 `json:"wanted_usd_per_hour,omitempty"`
}

func (o Others) none() bool {
	return o.SpentUSD == 0 && o.DecidedUSDPerHour == 0 && len(o.WantedUSDPerHour) == 0
}

// Case is all that a decision is made from, so that it can be made again.
type Case struct {
	At       time.Time            `json:"at"`
	Pool     string               `json:"pool"`
	Signals  []Signal             `json:"signals"`
	Snapshot procurement.Snapshot `json:"snapshot"`
	Group    Group                `json:"group"`
	// SpentUSD is what this pool's workers and all functions have cost in this clock hour
	// so far, and Others what the workers of the stage's other pools cost.
	SpentUSD float64 `json:"spent_usd"`
	Others   Others  `json:"others,omitzero"`
	// Leaving names the workers that would leave first, in that order
	// (fleet.LeavingOrder); Dead those that are ended and replaced (Census.Replaced).
	// Stuck are the dead ones of earlier records, which left like any other.
	Leaving []string `json:"leaving,omitempty"`
	Dead    []string `json:"dead,omitempty"`
	Stuck   []string `json:"stuck,omitempty"`
	// Settings in force, their version, and what is wrong with those that were set.
	Settings        settings.Settings `json:"settings"`
	SettingsVersion int64             `json:"settings_version"`
	SettingsFaults  []string          `json:"settings_faults,omitempty"`
	// Before is what the controller remembers of earlier ticks.
	Before State `json:"before"`
}

// State is what is remembered between two ticks. It can be stored as JSON.
type State struct {
	Scheme procurement.State `json:"scheme"`
	// TickedAt is the last tick; WatchedFrom the first one since which nothing was missed.
	TickedAt    time.Time `json:"ticked_at,omitzero"`
	WatchedFrom time.Time `json:"watched_from,omitzero"`
	// HeldFrom is the first tick of those in a row that held; zero when the last decided.
	HeldFrom time.Time `json:"held_from,omitzero"`
	// LowerFrom is since when fewer workers are wanted than there are, and
	// LowerMost the most that were wanted meanwhile.
	LowerFrom time.Time `json:"lower_from,omitzero"`
	LowerMost int       `json:"lower_most,omitempty"`
}

// Action is what is to be done.
type Action struct {
	From  int      `json:"from"`            // workers, ready and booting
	To    int      `json:"to"`              // workers to ask for
	Spot  int      `json:"spot,omitempty"`  // of them, as spot instances
	Set   bool     `json:"set"`             // whether that differs from what was asked for last
	Drain []string `json:"drain,omitempty"` // who leaves
	// Replace names the dead workers that are ended; others are launched in the
	// place of those that are still needed.
	Replace []string             `json:"replace,omitempty"`
	Strict  procurement.Overflow `json:"strict_overflow"`
	Relaxed procurement.Overflow `json:"relaxed_overflow"`
	// BudgetLeftUSD is what may still be spent in this clock hour; absent without
	// a budget. Intake holds what may overflow against it, query by query.
	BudgetLeftUSD *float64 `json:"budget_left_usd,omitempty"`
}

// Moves reports whether the action changes the fleet.
func (a Action) Moves() bool { return a.Set || len(a.Drain)+len(a.Replace) > 0 }

// Record is one decision.
type Record struct {
	ID      string              `json:"id"`
	Case    Case                `json:"case"`
	Outcome procurement.Outcome `json:"mode"`
	Scheme  string              `json:"scheme"`
	// Rules is the version of the schemes' rules that decided; absent of the first.
	Rules      int                     `json:"rules,omitempty"`
	Wanted     int                     `json:"wanted"` // before the guard
	Reason     string                  `json:"reason"`
	Candidates []procurement.Candidate `json:"candidates,omitempty"`
	Clamps     []Clamp                 `json:"clamps,omitempty"`
	Action     Action                  `json:"action"`
	// Of the scheme paragon: how it reads the load.
	PeakToMedian  float64 `json:"peak_to_median,omitempty"`
	Dynamic       bool    `json:"dynamic,omitempty"`
	StaticSeconds float64 `json:"static_seconds,omitempty"`
}

// idLayout sorts as text in the order of time.
const idLayout = "20060102T150405.000Z"

// newID names the tick of a pool at a time.
func newID(at time.Time, pool string) string { return IDAt(at) + "-" + pool }

// IDAt is how the ids of the ticks at a time begin. It sorts before them, and after those
// of earlier ticks.
func IDAt(at time.Time) string { return at.UTC().Format(idLayout) }

// Make decides a case: what the scheme chooses, guarded. It returns the record
// and what must be remembered. It fails only when the settings name a scheme
// that does not exist.
func Make(c Case) (Record, State, error) {
	scheme, err := c.scheme()
	if err != nil {
		return Record{}, c.Before, err
	}
	r, after := MakeBy(scheme, c)
	return r, after, nil
}

// MakeBy is Make by a scheme at hand, whatever the settings name.
func MakeBy(scheme procurement.Scheme, c Case) (Record, State) {
	return choose(scheme, c).Guard()
}

// scheme is the one that the settings name.
func (c Case) scheme() (procurement.Scheme, error) {
	scheme, err := procurement.Get(c.Settings.Scheme)
	if err != nil {
		return nil, fmt.Errorf("decide for pool %s: %w", c.Pool, err)
	}
	return scheme, nil
}

// Chosen is what a scheme wants, before the guard.
type Chosen struct {
	in    Case
	d     procurement.Decision
	after State
}

// Choose asks the scheme, or holds when the signals cannot be trusted.
func Choose(c Case) (Chosen, error) {
	scheme, err := c.scheme()
	if err != nil {
		return Chosen{}, err
	}
	return choose(scheme, c), nil
}

func choose(scheme procurement.Scheme, c Case) Chosen {
	c = c.tidy()
	d, after := c.decideOrHold(scheme)
	return Chosen{c, d, after}
}

// Guard holds what was chosen to its bounds.
func (w Chosen) Guard() (Record, State) {
	c, d := w.in, w.d
	r := Record{
		ID: newID(c.At, c.Pool), Case: c, Outcome: d.Outcome, Scheme: c.Settings.Scheme, Wanted: d.Workers, Reason: d.Reason, Candidates: d.Candidates,
		PeakToMedian: d.PeakToMedian, Dynamic: d.Dynamic, StaticSeconds: d.StaticSeconds,
		Rules: procurement.Rules,
	}
	to, clamps, after := c.guard(d.Workers, d.Outcome, w.after)
	r.Clamps = clamps
	r.Action = c.action(to, d)
	after.TickedAt = c.At
	return r, after
}

// LaunchFailed says whether workers are missing and the newest launch failed.
func (c Case) LaunchFailed() bool { return c.Group.LaunchFault != "" && c.Have() < c.Group.Desired }

// Have is how many workers there are, those that came and those that are to come.
func (c Case) Have() int { return c.Snapshot.Pool.Ready + c.Snapshot.Pool.Booting }

// spot is how many of the workers to keep are spot instances. Where the guard lets fewer
// come than were chosen those on demand come first, which nobody takes back; where it
// keeps more, those on demand that are there stay. Where nothing was decided all stay.
func (c Case) spot(to int, d procurement.Decision) int {
	p := c.Snapshot.Pool
	switch {
	case d.Outcome != procurement.Decided:
		return min(to, p.SpotReady+p.SpotBooting)
	case d.Spot == 0:
		return 0
	}
	onDemand := min(to, d.Workers-d.Spot)
	if kept := to - d.Workers; kept > 0 {
		onDemand += min(kept, max(0, c.Have()-p.SpotReady-p.SpotBooting-onDemand))
	}
	return to - onDemand
}

// action says what to do to reach the given number of workers.
func (c Case) action(to int, d procurement.Decision) Action {
	a := Action{From: c.Have(), To: to, Strict: d.Strict, Relaxed: d.Relaxed}
	if left, limited := c.budgetLeft(); limited {
		a.BudgetLeftUSD = &left
	}
	if c.Settings.Fleet == settings.FleetFixed {
		a.To = a.From
		return a
	}
	a.Set = to != c.Group.Desired
	a.Spot = c.spot(to, d)
	if d.Outcome == procurement.Decided {
		a.Drain = append(a.Drain, c.Stuck...)
	}
	if d.Outcome != procurement.Held {
		a.Replace = c.Dead
	}
	if c.Group.LaunchFault != "" && c.Have() < to { // workers that do not come are no reason to wait
		a.Strict, a.Relaxed = procurement.AtBound, procurement.AtBound
	}
	if more := a.From - to; more > 0 {
		a.Drain = append(a.Drain, c.Leaving[:min(more, len(c.Leaving))]...)
	}
	return a
}
