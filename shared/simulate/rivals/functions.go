package rivals

import (
	"fmt"
	"math"
	"time"

	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/simulate"
)

// allFunctions answers each query by a function of its own behind the gateway:
// no workers, no queue, no store. Calls beyond what Lambda lets start are refused.
type allFunctions struct{}

func (allFunctions) Name() string { return "all_functions" }

func (allFunctions) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.AtBound, procurement.AtBound
}

// Platform has functions alone.
func (allFunctions) Platform() simulate.Platform {
	return simulate.Platform{Serving: simulate.ByFunctions}
}

func (allFunctions) Decide(_ time.Time, _ procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	return procurement.Decision{Reason: "a function for each query"}, st
}

// managedInstances are Lambda Managed Instances: functions on EC2 instances that
// Lambda scales, at 15 % above their price and $0.20 a million. Three instances at
// least. It keeps room for traffic to double within five minutes; a query that finds
// all places of the execution environments taken gets a 429.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-scaling.html
// https://aws.amazon.com/lambda/pricing/
type managedInstances struct{}

func (managedInstances) Name() string { return "managed_instances" }

func (managedInstances) Overflow() (strict, relaxed procurement.Overflow) {
	return procurement.Never, procurement.Never
}

const (
	managedLeast   = 3    // instances, one a zone
	managedFee     = 1.15 // of the instance's price
	managedPlaces  = 16   // concurrent invocations a vCPU, the default of AWS's Python runtime
	managedRoom    = 2    // times the traffic of the period
	managedPeriod  = 300  // seconds
	managedTick    = 10   // seconds; AWS states none
	managedReading = 60   // seconds of a reading
)

// Platform has Lambda's instances.
func (managedInstances) Platform() simulate.Platform {
	return simulate.Platform{
		Serving: simulate.Managed, TickSeconds: managedTick, LeastWorkers: managedLeast, PriceFactor: managedFee, PlacesOfRunner: managedPlaces,
	}
}

// demand is what managed instances remember: the busy instances of the last ticks.
type demand struct {
	Busy []float64 `json:"busy"`
}

func (managedInstances) Decide(_ time.Time, s procurement.Snapshot, _ settings.Settings, st procurement.State) (procurement.Decision, procurement.State) {
	m := recall[demand](st)
	waiting := s.Pool.QueuedMS / 1000 / managedTick / float64(max(1, s.Pool.RunnersEach))
	m.Busy = keepLast(m.Busy, s.Pool.Used*float64(s.Pool.Ready)+waiting, managedPeriod/managedTick)
	most := 0.0
	for i := range m.Busy {
		most = max(most, mean(last(m.Busy[:i+1], managedReading/managedTick)))
	}
	n := max(managedLeast, int(math.Ceil(managedRoom*most-1e-9)))
	return procurement.Decision{
		Workers: n,
		Reason:  fmt.Sprintf("%.1f instances busy at most in five minutes: %d", most, n),
	}, remember(st, m)
}
