// Package selection chooses model, resource and memory together for a query:
// any two of latency, accuracy and cost bound the choice and the third is
// optimised, or weights over all three. It is pure.
package selection

import (
	"paragon/shared/core/profile"
	"paragon/shared/core/query"
)

// Resource is a place that may answer a query.
type Resource struct {
	Kind     query.RunnerKind `json:"kind"`
	Name     string           `json:"name"`                // instance type, or "lambda-x86_64"
	MemoryMB int              `json:"memory_mb,omitempty"` // of a function
}

// Offer is what may be chosen from, and the load at this moment.
type Offer struct {
	Catalogue *profile.Catalogue
	// InstanceType is the pool's; empty means that no pool serves the task.
	InstanceType string
	// Runners and AheadMS tell the pool's load: ready runners and the strict
	// work ahead, in milliseconds of one runner.
	Runners int
	AheadMS float64
	// Arch is the inference functions' architecture; empty means no functions.
	Arch string
	// PathMS and OverflowPathMS are the routes' own times (the settings of that name).
	PathMS, OverflowPathMS float64
	// FloorMS is the least latency bound that this home can keep.
	FloorMS float64
	// Accuracy overrides the profile's top-1 percent by model, as learnt from
	// feedback; a model that is absent keeps its profile.
	Accuracy map[string]float64
}

// Candidate is one model on one resource, with what is predicted of it and why
// it lost.
type Candidate struct {
	Model     string              `json:"model"`
	Resource  Resource            `json:"resource"`
	Service   profile.Percentiles `json:"service_ms"`
	LatencyMS float64             `json:"latency_ms"` // path, wait and p95 (worker: p99) service
	Accuracy  float64             `json:"accuracy"`   // percent
	CostUSD   float64             `json:"cost_usd"`   // marginal, of this query
	Feasible  bool                `json:"feasible"`
	Reason    string              `json:"reason"` // why it won, or lost
}

// Ranked holds every candidate, the chosen one first, then the feasible ones
// in order, then the rest.
type Ranked struct {
	Candidates []Candidate `json:"candidates"`
	// Class is the query's SLO class.
	Class query.Class `json:"class"`
}

// Chosen returns the winner.
func (r Ranked) Chosen() Candidate { return r.Candidates[0] }
