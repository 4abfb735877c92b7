// Package selection chooses model, resource and memory together for a query:
// none, one, two or all of latency, accuracy and cost bound the choice; the
// objective is one of them, or weights over all three. It is pure.
//
// Pick answers with the winner alone and is what a busy caller uses; Choose
// answers with every candidate and why it lost, from the same rules.
package selection

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
)

// Resource is a place that may answer a query.
type Resource struct {
	Kind     query.RunnerKind `json:"kind"`
	Name     string           `json:"name"`                // instance type, or "lambda-x86_64"
	MemoryMB int              `json:"memory_mb,omitempty"` // of a function
}

// Pool is the load of one pool of workers.
type Pool struct {
	InstanceType string
	Runners      int     // of the ready workers
	AheadMS      float64 // strict work ahead, in milliseconds of one runner
}

// Offer is what may be chosen from, and the load at this moment.
type Offer struct {
	Catalogue *profile.Catalogue
	// Table is the catalogue prepared by NewTable for these instance types and
	// architecture. It may be nil; a caller that chooses often keeps one.
	Table *Table
	// InstanceType is the pool's; empty means that no pool serves the task.
	InstanceType string
	// Runners and AheadMS are the pool's load: ready runners and the strict
	// work ahead, in milliseconds of one runner.
	Runners int
	AheadMS float64
	// Absence says in words why the pool has no ready runner, if it has none.
	Absence string
	// Pools, when set, stand in for the four fields above: several pools, each
	// of another instance type.
	Pools []Pool
	// Planned says that nothing is bought yet: every pool counts as idle and a
	// slot costs its full price. It is for sizing and for what-if.
	Planned bool
	// Arch is the inference functions' architecture; empty means no functions.
	Arch string
	// ColdShare is the share of invocations that meet a cold start, 0 to 1. It
	// weighs on a function's cost, and from a share of 5 % (package sizing) on its latency.
	ColdShare float64
	// PathMS and OverflowPathMS are the routes' own times (the settings of that name).
	PathMS, OverflowPathMS float64
	// FloorMS is the least latency bound that this stage can keep.
	FloorMS float64
	// StrictBelowMS is the setting of that name. 0 leaves the class to the need.
	StrictBelowMS float64
	// Broken says why a model is not run on a kind of resource at this moment.
	Broken map[Broken]string
	// Accuracy overrides the profile's top-1 percent by model, as learned from
	// feedback; a model that is absent keeps its profile.
	Accuracy map[string]float64
}

// Broken is a model on a kind of resource on which its breaker is open.
type Broken struct {
	Model string
	Kind  query.RunnerKind
}

// Candidate is one model on one resource, with what is predicted of it and why
// it lost.
type Candidate struct {
	Model     string              `json:"model"`
	Resource  Resource            `json:"resource"`
	Service   profile.Percentiles `json:"service_ms"`
	LatencyMS float64             `json:"latency_ms"` // path, wait and p95 (worker: p99) service
	Accuracy  float64             `json:"accuracy"`   // percent
	// CostUSD is marginal: a slot that is paid for and free in time costs nothing.
	CostUSD float64 `json:"cost_usd"`
	// PriceUSD is what such a query costs when many come: its full share of the
	// resource. A cost bound holds for this, so that it does not swing with the load.
	PriceUSD float64 `json:"price_usd"`
	Feasible bool    `json:"feasible"`
	// Waits says that an idle pool would keep the bound and the present load
	// does not: the query waits for a worker and may be late.
	Waits  bool   `json:"waits,omitempty"`
	Reason string `json:"reason"` // why it won, or lost
}

// Ranked holds every candidate, the chosen one first, then the feasible ones
// in order, then the rest.
type Ranked struct {
	Candidates []Candidate `json:"candidates"`
	// Class is the query's SLO class.
	Class query.Class `json:"class"`
	// Objective is what was optimized: a dimension, or "weights".
	Objective string `json:"objective"`
}

// Chosen returns the winner.
func (r Ranked) Chosen() Candidate { return r.Candidates[0] }
