package placement

import (
	"cmp"
	"slices"
)

// FunctionOffer is one inference function that may answer a query.
type FunctionOffer struct {
	MemoryMB  int
	P95MS     float64 // warm
	ColdP95MS float64 // what a cold start adds
	ColdShare float64 // share of its invocations that were cold lately, 0 to 1
	USD       float64 // of one invocation
}

// ExpectedMS is the function's p95 with its cold start weighed in by how often
// it pays one.
func (o FunctionOffer) ExpectedMS() float64 { return o.P95MS + o.ColdShare*o.ColdP95MS }

// PickFunction returns the offers in the order in which they should be tried
// with leftMS milliseconds to the deadline, without the way there: first those
// that meet it, the cheapest first; then the others, the fastest first. Equals
// go by cost, then by memory.
func PickFunction(offers []FunctionOffer, leftMS float64) []FunctionOffer {
	out := slices.Clone(offers)
	slices.SortStableFunc(out, func(a, b FunctionOffer) int {
		aMeets, bMeets := a.ExpectedMS() <= leftMS, b.ExpectedMS() <= leftMS
		switch {
		case aMeets && !bMeets:
			return -1
		case bMeets && !aMeets:
			return 1
		case aMeets:
			return cmp.Or(cmp.Compare(a.USD, b.USD), cmp.Compare(a.ExpectedMS(), b.ExpectedMS()), cmp.Compare(a.MemoryMB, b.MemoryMB))
		}
		return cmp.Or(cmp.Compare(a.ExpectedMS(), b.ExpectedMS()), cmp.Compare(a.USD, b.USD), cmp.Compare(a.MemoryMB, b.MemoryMB))
	})
	return out
}

// coldWeight is how much the newest invocation counts in a cold share.
const coldWeight = 0.2

// ColdShare follows how often a function's invocations are cold, as an
// exponentially weighted mean. The zero value expects a cold start, as a
// function that was never invoked has no warm environment.
type ColdShare struct{ warm float64 }

// Saw counts one invocation.
func (c *ColdShare) Saw(cold bool) {
	c.warm *= 1 - coldWeight
	if !cold {
		c.warm += coldWeight
	}
}

// Value is the share, 0 to 1.
func (c ColdShare) Value() float64 { return 1 - c.warm }
