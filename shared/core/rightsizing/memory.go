package rightsizing

import (
	"cmp"
	"slices"

	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
)

// Size is one memory size of an inference function, judged for a model.
type Size struct {
	MemoryMB  int     `json:"memory_mb"`
	P95MS     float64 `json:"p95_ms"`     // cold starts weighed in
	QueryUSD  float64 `json:"query_usd"`  // mean, cold starts weighed in
	InTime    bool    `json:"in_time"`    // the p95 keeps the bound
	Estimated bool    `json:"estimated"`  // from another size, by the share of a vCPU
	ServiceMS float64 `json:"service_ms"` // p50 of a warm run
}

// Memory returns every size that holds the model, the right one first: the
// cheapest whose p95 keeps the bound, else the fastest. More memory is not
// always dearer, as it buys a larger share of a CPU. boundMS is what is left
// of the latency bound after the way there; coldShare is the share of
// invocations that meet a cold start, 0 to 1.
func Memory(c *profile.Catalogue, m *profile.Model, arch string, boundMS, coldShare float64) []Size {
	sizes, _ := c.FunctionSizes(arch)
	var out []Size
	for _, mb := range sizes.MemoryMB {
		st, ok := c.OnFunction(m, arch, mb)
		if !ok || m.MemoryMB > mb {
			continue
		}
		s := Size{MemoryMB: mb, P95MS: st.P95(coldShare), ServiceMS: st.MS.P50, Estimated: !measuredAt(m, arch, mb)}
		s.InTime = s.P95MS <= boundMS
		s.QueryUSD = pricing.MeanFunctionUSD(c.Prices, pricing.Invocations{
			Arch: arch, MemoryMB: mb, ServiceMS: st.MS.P50, ColdMS: st.ColdMS.P50, ColdShare: coldShare,
		})
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b Size) int {
		switch {
		case a.InTime != b.InTime:
			return cmp.Compare(late(a), late(b))
		case a.InTime:
			return cmp.Or(cmp.Compare(a.QueryUSD, b.QueryUSD), cmp.Compare(a.P95MS, b.P95MS))
		}
		return cmp.Or(cmp.Compare(a.P95MS, b.P95MS), cmp.Compare(a.QueryUSD, b.QueryUSD))
	})
	return out
}

func late(s Size) int {
	if s.InTime {
		return 0
	}
	return 1
}

func measuredAt(m *profile.Model, arch string, mb int) bool {
	return slices.ContainsFunc(m.Latency, func(l profile.Latency) bool {
		return l.Resource == "lambda-"+arch && l.MemoryMB == mb && l.Batch == 1
	})
}
