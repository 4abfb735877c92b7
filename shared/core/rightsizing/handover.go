package rightsizing

import (
	"paragon/shared/core/placement"
	"paragon/shared/core/profile"
)

// HandOver is how long a query may wait for a worker when an inference function
// is its last resort.
type HandOver struct {
	Size Size // of the function, warm
	// ColdAfterMS and WarmAfterMS are the last moments after acceptance at which
	// the function keeps the bound: one that must be started first, and a warm
	// one. Negative when it never does.
	ColdAfterMS, WarmAfterMS float64
}

// Last returns until when a query of a model with that latency bound may wait,
// with pathMS for the way to the function. It is false when no function holds
// the model.
func Last(c *profile.Catalogue, m *profile.Model, arch string, latencyMS, pathMS float64) (HandOver, bool) {
	sizes := Memory(c, m, arch, latencyMS-pathMS, 0)
	if len(sizes) == 0 {
		return HandOver{}, false
	}
	st, _ := c.OnFunction(m, arch, sizes[0].MemoryMB)
	after := func(cold bool) float64 {
		return placement.LastMoment(latencyMS-pathMS, st.MS.P95, st.ColdMS.P95, cold)
	}
	return HandOver{Size: sizes[0], ColdAfterMS: after(true), WarmAfterMS: after(false)}, true
}
