package sizing

// coldShows is the share of cold starts from which the 95th percentile of a
// function's time is a cold start's: one run in twenty.
const coldShows = 0.05

// P95MS is the 95th percentile, in milliseconds, of a function's time when that
// share of its runs, 0 to 1, is cold. warmP95MS is the p95 of a warm run and
// coldP95MS the p95 of what a cold start adds.
//
// A cold run takes longer than any warm one. So the 95th percentile of both is a
// warm run's as long as fewer than one run in twenty is cold, and a cold run's
// from there on: at a share of 0.1 a tenth of all runs takes warm + cold, however
// fast the others are. Adding share × cold would be a mean.
func P95MS(warmP95MS, coldP95MS, coldShare float64) float64 {
	if coldShare >= coldShows {
		return warmP95MS + coldP95MS
	}
	return warmP95MS
}

// MostlyWarm reports whether a function that lately ran so often, and so often started cold,
// counts as warm: P95MS is then a warm run's. One that has not run counts as cold, as its
// environments may be gone.
func MostlyWarm(runs, cold int64) bool {
	return runs > 0 && float64(cold)/float64(runs) < coldShows
}

// coldWeight is how much the newest invocation counts in a cold share. The share
// must distinguish 5 % from less: one cold start among warm runs stays below coldShows,
// and three in a row pass it.
const coldWeight = 0.02

// ColdShare follows which share of a function's invocations is cold, as an
// exponentially weighted mean. The zero value has seen none and has the share
// that plans go by, Warm.
type ColdShare struct{ share float64 }

// Saw counts one invocation.
func (c *ColdShare) Saw(cold bool) {
	c.share *= 1 - coldWeight
	if cold {
		c.share += coldWeight
	}
}

// Value is the share, 0 to 1.
func (c ColdShare) Value() float64 { return c.share }

// ColdShares are the cold shares of a model's invocations, by memory size in MB.
type ColdShares map[int]ColdShare

// Saw counts one invocation of a size.
func (c ColdShares) Saw(memoryMB int, cold bool) {
	share := c[memoryMB]
	share.Saw(cold)
	c[memoryMB] = share
}

// Of is the share of a size, 0 to 1. A size that has not run has the lowest share of those
// that have. Were it expected to be warm, the first cold start of one size would make all
// others look cheaper, and the next queries would start each of them cold. Before the first
// run of any size, all shares are Warm: were they expected to be cold, a dispatcher would
// begin with a large size, keep that warm, and never find out that a cheaper one is in time.
func (c ColdShares) Of(memoryMB int) float64 {
	if share, ran := c[memoryMB]; ran || len(c) == 0 {
		return share.Value()
	}
	lowest := 1.0
	for _, share := range c {
		lowest = min(lowest, share.Value())
	}
	return lowest
}
