package workload

import (
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// Demand is what accepted queries ask for, added up. Intake counts it by the
// second, and the tick makes the Means of it.
type Demand struct {
	Queries     float64
	WorkMS      float64 // of one runner
	FunctionUSD float64 // if functions answered them
	DeferMS     float64 // how long they may wait for a worker until they overflow, of relaxed ones
}

// Plus adds demand up.
func (d Demand) Plus(o Demand) Demand {
	return Demand{d.Queries + o.Queries, d.WorkMS + o.WorkMS, d.FunctionUSD + o.FunctionUSD, d.DeferMS + o.DeferMS}
}

// Planned is a query that a model was selected for.
type Planned struct {
	Model        *profile.Model
	Need         query.Need // what the caller asked for, as far as it decides the function's size
	Class        query.Class
	LatencyMS    float64 // its bound
	InstanceType string  // of its pool
	Arch         string  // of the inference functions; empty means that there are none
	Paths        sizing.Paths
	Warm         bool // whether functions that run the model count as warm (sizing.MostlyWarm)
}

// DemandOf is what one query asks for: its median time on a worker, its price on
// the function that is right for it, and how long it waits for a worker at most before it
// is handed over to that function. What is not known is 0.
func DemandOf(c *profile.Catalogue, q Planned) Demand {
	d, workerMS := Demand{Queries: 1}, 0.0
	if t, ok := c.OnVM(q.Model, q.InstanceType); ok {
		d.WorkMS, workerMS = t.MS.P50, t.MS.P99
	}
	if q.Arch == "" {
		return d
	}
	if last, ok := sizing.LastResort(c, q.Model, q.Arch, q.Need, q.LatencyMS, q.Paths.FunctionMS); ok {
		d.FunctionUSD = last.Size.QueryUSD
		if q.Class == query.Relaxed {
			d.DeferMS = max(0, last.RelaxedAtMS(q.LatencyMS, workerMS, q.Paths, q.Warm))
		}
	}
	return d
}
