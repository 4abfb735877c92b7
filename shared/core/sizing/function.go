package sizing

import (
	"cmp"
	"iter"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
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
	return slices.AppendSeq([]Holding{}, holding(c, m, arch))
}

// holding are FunctionsThatHold, one after the other: each query looks at them.
func holding(c *profile.Catalogue, m *profile.Model, arch string) iter.Seq[Holding] {
	return func(yield func(Holding) bool) {
		generic := c.OnGeneric(m)
		for _, mb := range c.FunctionMB(m, arch) {
			if m.MemoryMB > mb {
				continue
			}
			if st, known := c.OnFunction(m, arch, mb); known && !yield(Holding{mb, generic, st}) {
				return
			}
		}
	}
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

// Warm is the cold share of a plan: cold starts below coldShows of the
// invocations, as for functions that a steady load keeps warm.
func Warm(int) float64 { return 0 }

// Wants is what a query wants of a function's size.
type Wants struct {
	BoundMS float64 // what is left of the latency bound after the way there
	// Fastest wants the fastest size that costs MostUSD at most, where 0 is no bound, instead
	// of the cheapest: the query optimizes latency.
	Fastest bool
	MostUSD float64
}

// WantsOf is what a query wants that has so much of its latency bound left.
func WantsOf(n query.Need, boundMS float64) Wants {
	return Wants{BoundMS: boundMS, Fastest: n.Objective() == query.Latency, MostUSD: n.Constraints.CostUSDPerMillion / 1e6}
}

// RankFunctions returns every function size that holds the model, the right one
// first: the cheapest whose p95 keeps the bound, then the others that keep it,
// the cheapest first; then those that do not, the fastest first. For a query that optimizes
// latency those that it can pay come first, the fastest first. Equals go by
// cost, p95 and memory. More memory is not always more expensive, as it buys a larger
// share of a CPU.
//
// coldShare says which share of the invocations of a size in MB meets a cold start, 0 to 1.
func RankFunctions(c *profile.Catalogue, m *profile.Model, arch string, w Wants, coldShare func(memoryMB int) float64) []Size {
	out := make([]Size, 0, len(c.FunctionMB(m, arch)))
	for h := range holding(c, m, arch) {
		out = append(out, h.judge(c, m, arch, w.BoundMS, coldShare(h.MemoryMB)))
	}
	slices.SortFunc(out, w.better)
	return out
}

// rightFunction is the first of RankFunctions for functions that a steady load keeps
// warm, with its times. It is false where no function holds the model.
func rightFunction(c *profile.Catalogue, m *profile.Model, arch string, w Wants) (right Size, times profile.ServiceTime, found bool) {
	for h := range holding(c, m, arch) {
		if s := h.judge(c, m, arch, w.BoundMS, Warm(h.MemoryMB)); !found || w.better(s, right) < 0 {
			right, times, found = s, h.ServiceTime, true
		}
	}
	return right, times, found
}

// judge says how right the size is for the model with a bound and a share of cold starts.
func (h *Holding) judge(c *profile.Catalogue, m *profile.Model, arch string, boundMS, coldShare float64) Size {
	s := Size{
		MemoryMB: h.MemoryMB, P95MS: P95MS(h.MS.P95, h.ColdMS.P95, coldShare), ServiceMS: h.MS.P50,
		Estimated: !measuredAt(m, arch, h.MemoryMB), Generic: h.Generic,
		QueryUSD: pricing.MeanFunctionUSD(c.Prices, pricing.Invocations{
			Arch: arch, MemoryMB: h.MemoryMB, ServiceMS: h.MS.P50, ColdMS: h.ColdMS.P50, ColdShare: coldShare,
		}),
	}
	s.InTime = s.P95MS <= boundMS
	return s
}

func (w Wants) pays(s Size) bool { return w.MostUSD == 0 || s.QueryUSD <= w.MostUSD }

// better orders sizes, the right one first.
func (w Wants) better(a, b Size) int {
	byCost, byTime := cmp.Compare(a.QueryUSD, b.QueryUSD), cmp.Compare(a.P95MS, b.P95MS)
	switch {
	case w.Fastest && w.pays(a) != w.pays(b):
		if w.pays(a) {
			return -1
		}
		return 1
	case w.Fastest:
		return cmp.Or(byTime, byCost, cmp.Compare(a.MemoryMB, b.MemoryMB))
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
