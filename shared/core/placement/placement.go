// Package placement decides where a query goes: to a pool's work queue, to an
// inference function, or nowhere. The same rules run in the API, in the
// workers and in the simulator. It is pure: the fleet view and the time are
// passed in.
package placement

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/breaker"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// Route is where a query goes.
type Route string

// The routes. Strict and relaxed queries have a work queue each.
const (
	ToWork     Route = "work"     // a worker is expected to start it in time
	ToOverflow Route = "overflow" // no slot is free in time: an inference function
	ToWait     Route = "wait"     // the work queue, though no worker is expected in time
)

// Reason says why a route was taken. Reasons are part of explanations and
// metrics: programs switch on them.
type Reason string

// The reasons.
const (
	SlotInTime    Reason = "slot_in_time"
	NoSlotInTime  Reason = "no_slot_in_time"
	NoWorkers     Reason = "no_workers"
	ViewOutdated  Reason = "view_outdated" // nobody has reported of late which workers are ready
	NoneAnswers   Reason = "none_answers"  // workers are ready by the view, and do not answer
	RelaxedWaits  Reason = "relaxed_waits"
	OverflowIsOff Reason = "overflow_off"
)

// Absent reports whether the reason is that no worker counts as ready.
func (r Reason) Absent() bool { return r == NoWorkers || r == ViewOutdated || r == NoneAnswers }

// Pool is the view of one pool's workers at a time. It may be stale: a worker
// that cannot start a strict query in time hands it over to the functions.
type Pool struct {
	Name         string `json:"name"`
	InstanceType string `json:"instance_type"`
	Workers      int    `json:"workers"` // ready
	// Booting are the workers on their way. Unfilled says that the last tick asked
	// for workers and none serves or boots: the launch brought nobody.
	Booting   int       `json:"booting,omitempty"`
	Suspended int       `json:"suspended,omitempty"` // they do not answer: each will, or is replaced
	Unfilled  bool      `json:"unfilled,omitempty"`
	Warm      int       `json:"warm,omitempty"` // stopped instances that are ready to be started
	Runners   int       `json:"runners"`        // of the ready workers
	StrictMS  float64   `json:"strict_queued_ms"`
	RelaxedMS float64   `json:"relaxed_queued_ms"` // work queued and held, in milliseconds of one runner
	At        time.Time `json:"at"`
	Heard     time.Time `json:"heard,omitzero"` // the newest report of a ready worker
	// Stalled says that the strict work on the queue does not move, though workers count
	// as ready: fleet.Stall.
	Stalled bool `json:"stalled,omitempty"`
	// Rests says that the pool has no worker and expects none, and that nobody may look at
	// it for fleet.RestSeconds.
	Rests bool `json:"rests,omitempty"`
	// The rules of overflow in force. Without a controller strict queries may
	// overflow and relaxed ones may not.
	NoStrictOverflow bool `json:"no_strict_overflow,omitempty"`
	RelaxedOverflow  bool `json:"relaxed_overflow,omitempty"` // at its bound
	// BudgetLeftUSD is what may still be spent in this clock hour; absent without a budget.
	BudgetLeftUSD *float64 `json:"budget_left_usd,omitempty"`
	// WorkersUSD is what its workers, those that have left included, cost from the beginning of
	// a clock hour until PaidTo; absent before the first tick.
	WorkersUSD float64   `json:"workers_usd,omitempty"`
	PaidTo     time.Time `json:"paid_to,omitzero"`
	// Broken are the models whose breakers are open on every ready worker.
	Broken []breaker.Open `json:"broken,omitempty"`
}

// BudgetSpent says whether a view of the given time found the budget of the clock hour of now spent:
// a view of an hour before says nothing of this hour's.
func (p Pool) BudgetSpent(viewAt, now time.Time) bool {
	return p.BudgetLeftUSD != nil && *p.BudgetLeftUSD <= 0 && viewAt.Truncate(time.Hour).Equal(now.Truncate(time.Hour))
}

// Ask is what placement needs to know of a query.
type Ask struct {
	Class query.Class
	// BudgetMS is what is left of the latency bound after the route's own
	// time (path_ms).
	BudgetMS float64
	// ServiceMS is the p99 service time on a worker of the pool.
	ServiceMS float64
	// OverflowAllowed reports whether some inference function may answer it.
	OverflowAllowed bool
	// OverflowOff says in words why none may.
	OverflowOff string
	// RelaxedOverflow lets a relaxed query go there when no worker would answer
	// it within its own bound; RelaxedAheadMS is the relaxed work ahead of it, in
	// milliseconds of one runner.
	RelaxedOverflow bool
	RelaxedAheadMS  float64
	// Absence says why the pool has no runner, if it has none: empty is NoWorkers.
	Absence Reason
}

// Choice is where a query goes and why.
type Choice struct {
	Route       Route
	Reason      Reason
	PredictedMS float64 // wait and service on the pool; 0 if it has no runner
	Why         string  // why overflow is off, where that is the reason
}

// Place chooses the route of a query over a pool whose strict work ahead of it
// is aheadMS, in milliseconds of one runner.
func Place(a Ask, runners int, aheadMS float64) Choice {
	if a.Class == query.Relaxed {
		ms := predicted(a, runners, aheadMS+a.RelaxedAheadMS)
		takes, why := ms, NoSlotInTime
		if runners <= 0 {
			takes, why = math.Inf(1), cmp.Or(a.Absence, NoWorkers)
		}
		if a.relaxedOverflowsNow(takes) {
			return overflow(a, why, ms)
		}
		return Choice{Route: ToWork, Reason: RelaxedWaits, PredictedMS: ms}
	}
	if runners > 0 {
		ms := predicted(a, runners, aheadMS)
		if ms <= a.BudgetMS {
			return Choice{Route: ToWork, Reason: SlotInTime, PredictedMS: ms}
		}
		return overflow(a, NoSlotInTime, ms)
	}
	return overflow(a, cmp.Or(a.Absence, NoWorkers), 0)
}

// PlaceFromWorker chooses the route of a query for which the worker that holds its
// request has no slot in time: it would end there in endMS milliseconds.
func PlaceFromWorker(a Ask, endMS float64) Choice {
	if a.Class == query.Relaxed && !a.relaxedOverflowsNow(endMS) {
		return Choice{Route: ToWork, Reason: RelaxedWaits, PredictedMS: endMS}
	}
	return overflow(a, NoSlotInTime, endMS)
}

// relaxedOverflowsNow reports whether a relaxed query overflows as it is placed: with
// workers that take workerMS for it and what is ahead of it, sizing.RelaxedOverflowAt has
// passed. The function's own last moment is for the process that holds the query later.
func (a Ask) relaxedOverflowsNow(workerMS float64) bool {
	return a.RelaxedOverflow && a.OverflowAllowed && sizing.RelaxedOverflowAt(math.Inf(1), a.BudgetMS, workerMS, 0) < 0
}

func overflow(a Ask, why Reason, ms float64) Choice {
	if a.OverflowAllowed {
		return Choice{Route: ToOverflow, Reason: why, PredictedMS: ms}
	}
	return Choice{Route: ToWait, Reason: OverflowIsOff, PredictedMS: ms, Why: a.OverflowOff}
}

func predicted(a Ask, runners int, aheadMS float64) float64 {
	if runners <= 0 {
		return 0
	}
	return aheadMS/float64(runners) + a.ServiceMS
}

// String describes the choice in words.
func (c Choice) String() string {
	switch c.Reason {
	case SlotInTime:
		return "a worker answers in about " + about(c.PredictedMS)
	case NoSlotInTime:
		return "a worker would take about " + about(c.PredictedMS) + ", longer than the time that is left"
	case NoWorkers:
		return "no worker is ready"
	case ViewOutdated:
		return "the last report on the workers is too old to rely on"
	case NoneAnswers:
		return "the workers do not answer"
	case RelaxedWaits:
		return "relaxed queries wait for a worker"
	case OverflowIsOff:
		text := "overflow is off, so the query waits for a worker"
		if c.Why != "" {
			text += ": " + c.Why
		}
		return text
	}
	return string(c.Reason)
}

// about writes a prediction: whole milliseconds, or two digits of a short one.
func about(ms float64) string {
	if ms < 10 {
		return fmt.Sprintf("%.2g ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}
