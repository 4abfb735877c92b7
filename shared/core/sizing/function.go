package sizing

import (
	"cmp"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Holding is a size of inference function that holds a model, with the model's
// times there.
type Holding struct {
	MemoryMB int
	// Generic says that the function is of no model and loads this one when it first runs it.
	Generic bool
	profile.ServiceTime
}

// FunctionsThatHold returns the function sizes of an architecture that have the
// memory for a model and a service time for it, in the catalogue's order; none
// for an architecture without functions.
func FunctionsThatHold(c *profile.Catalogue, m *profile.Model, arch string) []Holding {
	generic := c.OnGeneric(m)
	sizes := c.FunctionMB(m, arch)
	out := make([]Holding, 0, len(sizes))
	for _, mb := range sizes {
		if st, known := c.OnFunction(m, arch, mb); known && m.MemoryMB <= mb {
			out = append(out, Holding{mb, generic, st})
		}
	}
	return out
}

// Size is one memory size of an inference function, judged for a model.
type Size struct {
	MemoryMB  int     `json:"memory_mb"`
	P95MS     float64 `json:"p95_ms"`            // cold starts weighed in
	QueryUSD  float64 `json:"query_usd"`         // mean, cold starts weighed in
	InTime    bool    `json:"in_time"`           // the p95 keeps the bound
	Estimated bool    `json:"estimated"`         // from another size, by the share of a vCPU
	Generic   bool    `json:"generic,omitempty"` // a function of no model: Holding.Generic
	ServiceMS float64 `json:"service_ms"`        // p50 of a warm run
}

// Warm is the cold share of a plan: cold starts below ColdShows of the
// invocations, as for functions that a steady load keeps warm.
func Warm(int) float64 { return 0 }

// RankFunctions returns every function size that holds the model, the right one
// first: the cheapest whose p95 keeps the bound, then the others that keep it,
// the cheapest first; then those that do not, the fastest first. Equals go by
// cost, p95 and memory. More memory is not always more expensive, as it buys a larger
// share of a CPU.
//
// boundMS is what is left of the latency bound after the way there. coldShare
// says which share of the invocations of a size in MB meets a cold start, 0 to 1.
func RankFunctions(c *profile.Catalogue, m *profile.Model, arch string, boundMS float64, coldShare func(memoryMB int) float64) []Size {
	holding := FunctionsThatHold(c, m, arch)
	out := make([]Size, 0, len(holding))
	for i := range holding {
		h := &holding[i]
		share := coldShare(h.MemoryMB)
		s := Size{
			MemoryMB: h.MemoryMB, P95MS: P95MS(h.MS.P95, h.ColdMS.P95, share), ServiceMS: h.MS.P50,
			Estimated: !measuredAt(m, arch, h.MemoryMB), Generic: h.Generic,
			QueryUSD: pricing.MeanFunctionUSD(c.Prices, pricing.Invocations{
				Arch: arch, MemoryMB: h.MemoryMB, ServiceMS: h.MS.P50, ColdMS: h.ColdMS.P50, ColdShare: share,
			}),
		}
		s.InTime = s.P95MS <= boundMS
		out = append(out, s)
	}
	slices.SortFunc(out, better)
	return out
}

// better orders sizes, the right one first.
func better(a, b Size) int {
	byCost, byTime := cmp.Compare(a.QueryUSD, b.QueryUSD), cmp.Compare(a.P95MS, b.P95MS)
	switch {
	case a.InTime && !b.InTime:
		return -1
	case b.InTime && !a.InTime:
		return 1
	case a.InTime:
		return cmp.Or(byCost, byTime, cmp.Compare(a.MemoryMB, b.MemoryMB))
	}
	return cmp.Or(byTime, byCost, cmp.Compare(a.MemoryMB, b.MemoryMB))
}

func measuredAt(m *profile.Model, arch string, mb int) bool {
	resource := "lambda-" + arch
	for i := range m.Latency {
		if l := &m.Latency[i]; l.MemoryMB == mb && l.Batch == 1 && l.Resource == resource {
			return true
		}
	}
	return false
}
