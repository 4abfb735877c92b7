// Package sizing says how much of a resource a model needs: the slots of a VM,
// the memory of a function, the instance type of a pool. It alone ranks sizes,
// and weighs cold starts in. It is pure and works from profiles alone.
package sizing

import (
	"math"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// Slots is what one VM holds of a model under a latency bound.
type Slots struct {
	Runners int `json:"runners"` // inferences at once: one a vCPU
	Places  int `json:"places"`  // queries that may be there at once with all in time, the running ones included
	// PerSecond is what it answers when it is never idle: runners ÷ one-thread
	// time. Places say how deep a queue may be and nothing of throughput.
	PerSecond float64 `json:"per_second"`
}

// SlotsOnVM returns the slots of a model on an instance type under a latency bound
// in milliseconds, of which pathMS are spent on the way. By the p99: the last
// of a queue waits for all before it. False when its time there is not known.
func SlotsOnVM(c *profile.Catalogue, m *profile.Model, instanceType string, boundMS, pathMS float64) (Slots, bool) {
	in, ok := c.Instance(instanceType)
	st, known := c.OnVM(m, instanceType)
	if !ok || !known {
		return Slots{}, false
	}
	s := Slots{Runners: in.VCPUs, PerSecond: float64(in.VCPUs) * 1000 / st.MS.P50}
	if deep := math.Floor((boundMS - pathMS) / st.MS.P99); deep > 0 {
		s.Places = in.VCPUs * int(min(deep, 1e6))
	}
	return s, true
}
