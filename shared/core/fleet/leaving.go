package fleet

import (
	"cmp"
	"slices"
)

// LeavingOrder names the workers that leave first on scale-in, most at the most: those that
// boot, the last launched first, as they serve nobody yet; then the idle ones, the
// longest idle first; then those with the least to do. The booting ones of the
// census are in order of launch.
func LeavingOrder(c Census, most int) []string {
	booting := slices.Clone(c.Booting)
	slices.Reverse(booting)
	ready := slices.Clone(c.Ready)
	slices.SortStableFunc(ready, func(a, b Report) int {
		return cmp.Or(cmp.Compare(load(a), load(b)), a.IdleSince.Compare(b.IdleSince))
	})
	return idsOf(append(booting, ready...)[:min(most, len(booting)+len(ready))])
}

// load is how much a worker has to do: 0 when it is idle.
func load(r Report) float64 {
	return float64(r.Busy+r.Held()) + r.StrictMS + r.RelaxedMS
}
