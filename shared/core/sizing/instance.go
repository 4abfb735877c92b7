package sizing

import (
	"cmp"
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Fleet is the number of VMs of one type that carry a constant rate.
type Fleet struct {
	InstanceType string `json:"instance_type"`
	VMs          int    `json:"vms"`
	// HourUSD is what the whole VMs cost for an hour.
	HourUSD float64 `json:"hour_usd"`
	// QueryUSD is what a query costs on VMs that are never idle, whatever
	// their number: the figure by which types compare.
	QueryUSD float64 `json:"query_usd"`
	Busy     float64 `json:"busy"` // share of the time that its vCPUs compute
}

// RankInstances returns the instance types that run a model within a bound, the right
// one for the rate first: the cheapest hour of whole VMs, and of equals the
// smaller VM, which can be stopped one at a time. rate is in queries a second;
// boundMS is what is left of the latency bound after the way there.
func RankInstances(c *profile.Catalogue, m *profile.Model, rate, boundMS float64) []Fleet {
	var out []Fleet
	for _, in := range c.Instances {
		s, ok := SlotsOnVM(c, m, in.Type, boundMS, 0)
		if !ok || s.Places == 0 || !in.Holds(m) {
			continue
		}
		vms := max(1, int(math.Ceil(rate/s.PerSecond-1e-9)))
		out = append(out, Fleet{
			InstanceType: in.Type, VMs: vms, HourUSD: float64(vms) * in.USDPerHour,
			QueryUSD: in.USDPerHour / 3600 / s.PerSecond, Busy: rate / (float64(vms) * s.PerSecond),
		})
	}
	slices.SortStableFunc(out, func(a, b Fleet) int {
		return cmp.Or(cmp.Compare(a.HourUSD, b.HourUSD), cmp.Compare(b.VMs, a.VMs), cmp.Compare(a.InstanceType, b.InstanceType))
	})
	return out
}
