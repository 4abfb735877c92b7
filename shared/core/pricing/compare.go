package pricing

import (
	"math"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// PlainFunction is what a million queries cost who sends each request to one
// function that infers, behind the same gateway with the same access log.
func PlainFunction(p profile.Prices, t Traffic, functionUSD float64) []Line {
	c := atGateway(p, t)
	c.add("function's requests", c.requests(), "Lambda requests", p.LambdaPerRequest)
	c.add("function's time", 1, "queries", max(0, functionUSD-p.LambdaPerRequest))
	return c.lines
}

// onlyRequests is the path of queries that are answered where they arrive.
func onlyRequests(path Path) Path {
	if path == Async {
		return Direct
	}
	return path
}

// Unaided is the same traffic to a quiet stage: the api function in front, no
// worker up, and inference functions invoked by the request that waits, of which
// as many may run at once as that takes.
func (t Traffic) Unaided() Traffic {
	t.Front, t.Path, t.OverflowPath, t.Workers = LambdaFront, onlyRequests(t.Path), OverflowDirect, 0
	t.MaxOverflow = 0
	return t
}

// LeastFixedUSD is what the machinery of any stage takes in the given seconds, at the least:
// that of one task and one pool at rest, with the cheapest front and network. A plain
// function has none of it.
func LeastFixedUSD(p profile.Prices, tickSeconds, viewSeconds, seconds float64) float64 {
	r := AtRest(Deployment{Front: LambdaFront, Tasks: 1, Pools: 1, TickSeconds: tickSeconds, ViewSeconds: viewSeconds})
	return Sum(r.Lines(p)) * seconds / SecondsPerMonth
}

// PlainIsCheaper is the rule by which a plain function is called cheaper than a stage: it
// costs less for the same load. Where the plain function's cost is of compute alone and the
// stage's of compute and LeastFixedUSD, the whole bills stand in the same order at the least:
// the gateway is the same, and only the stage pays for machinery.
func PlainIsCheaper(plainUSD, stageUSD float64) bool { return plainUSD < stageUSD }

// ExcessUSD is by how much the bill of a million queries exceeds a plain
// function's while no worker is up. What a stage pays by the month is not in it.
func ExcessUSD(p profile.Prices, s Stage) float64 {
	t := s.Traffic.Unaided()
	return Sum(Count(p, t)) + million*s.FunctionUSD - Sum(PlainFunction(p, t, s.FunctionUSD))
}

// The rates between which bills are compared, queries a second, and the ratio
// of one to the next.
const (
	leastRate = 0.01
	mostRate  = 1e5
	rateStep  = 1.01
)

// comparedRates are the rates at which bills are compared, in ascending order.
var comparedRates = func() (rates []float64) {
	for r := leastRate; r <= mostRate; r *= rateStep {
		rates = append(rates, r)
	}
	return rates
}()

// BreakEven is the least rate from which on the first of two bills is no more
// than the second, as seen at rates 1 % apart up to 100,000 queries a second. It is 0 where it never was
// more, and ok is false where it never stays so.
func BreakEven(first, second func(perSecond float64) float64) (perSecond float64, ok bool) {
	more := func(r float64) bool { return first(r) > second(r) }
	last := 0.0
	for _, r := range slices.Backward(comparedRates) {
		if more(r) {
			last = r
			break
		}
	}
	switch {
	case last == 0:
		return 0, true
	case last*rateStep > mostRate:
		return 0, false
	}
	low, high := last, last*rateStep
	for range 30 {
		if mid := math.Sqrt(low * high); more(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return high, true
}
