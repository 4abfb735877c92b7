package control

import (
	"cmp"
	"slices"

	"paragon/shared/cloud"
	"paragon/shared/core/procurement"
)

// leavers names who leaves first, so many at most: those that boot, the newest
// first, as nobody misses them; then the idle ones, the longest idle first;
// then those with the least to do.
func leavers(c crew, most int) []string {
	booting := slices.Clone(c.booting)
	slices.Reverse(booting) // they are listed in order of launch
	ready := slices.Clone(c.ready)
	slices.SortStableFunc(ready, func(a, b cloud.WorkerReport) int {
		return cmp.Or(cmp.Compare(load(a), load(b)), a.IdleSince.Compare(b.IdleSince))
	})
	var out []string
	for _, w := range append(booting, ready...) {
		if len(out) == most {
			break
		}
		out = append(out, w.ID)
	}
	return out
}

// load is how much a worker has to do: 0 when it is idle.
func load(w cloud.WorkerReport) float64 {
	return float64(w.Busy+w.HeldStrict+w.HeldRelaxed) + w.StrictMS + w.RelaxedMS
}

// pool is the crew as a scheme sees it. What workers hold and do not run waits.
func (c crew) pool(runnersEach int, serviceMS float64) procurement.Pool {
	p := procurement.Pool{Ready: len(c.ready), Booting: len(c.booting), Draining: len(c.draining), RunnersEach: runnersEach}
	for i, w := range c.ready {
		p.BusyRunners += w.Busy
		p.QueuedMS += float64(w.HeldStrict+w.HeldRelaxed) * serviceMS
		p.Used += w.Used / float64(len(c.ready))
		if i == 0 || w.Used < p.UsedLeast {
			p.UsedLeast = w.Used
		}
	}
	return p
}

// needed is how many of the crew's workers the load would fill, with so much of
// it on the queues.
func (c crew) needed(runnersEach, waiting int) int {
	used := 0.0
	for _, w := range c.ready {
		waiting += w.Busy + w.HeldStrict + w.HeldRelaxed
		used += w.Used
	}
	return procurement.Needed(len(c.ready), runnersEach, waiting, used)
}
