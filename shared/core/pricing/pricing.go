// Package pricing says what a query costs on each kind of resource, what
// comes on top of the computing, and whether an hourly budget still covers it.
// It is pure: prices and time are passed in, and money is in US dollars.
package pricing

import (
	"math"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// WorkerQueryUSD is what a query costs on a worker that is never idle: its
// share of one of the instance type's vCPUs for the service time.
func WorkerQueryUSD(in profile.Instance, serviceMS float64) float64 {
	if in.VCPUs <= 0 {
		return 0
	}
	return in.USDPerHour / float64(in.VCPUs) / 3600 * serviceMS / 1000
}

// FunctionQueryUSD is what one invocation costs on an inference function: its
// memory for the billed time, rounded up to the billing grain, and the fee for
// the request.
func FunctionQueryUSD(p profile.Prices, arch string, memoryMB int, billedMS float64) float64 {
	return computeUSD(p, arch, memoryMB, billedMS) + p.LambdaPerRequest
}

func computeUSD(p profile.Prices, arch string, memoryMB int, billedMS float64) float64 {
	rate := p.LambdaGBSecondX86
	if arch == "arm64" {
		rate = p.LambdaGBSecondARM
	}
	if grain := p.LambdaGrainMS; grain > 0 {
		billedMS = math.Ceil(billedMS/grain) * grain
	}
	return rate * float64(memoryMB) / 1024 * billedMS / 1000
}

// Invocations describes the runs of a function on average.
type Invocations struct {
	Arch      string
	MemoryMB  int
	ServiceMS float64
	ColdMS    float64 // what a cold start adds, which is billed
	ColdShare float64 // share of the invocations that pay it, 0 to 1
}

// MeanFunctionUSD is the mean cost of an invocation, the cold starts' share included.
func MeanFunctionUSD(p profile.Prices, i Invocations) float64 {
	warm := FunctionQueryUSD(p, i.Arch, i.MemoryMB, i.ServiceMS)
	if i.ColdShare <= 0 {
		return warm
	}
	cold := FunctionQueryUSD(p, i.Arch, i.MemoryMB, i.ServiceMS+i.ColdMS)
	return warm + min(i.ColdShare, 1)*(cold-warm)
}

// FleetHourUSD is what workers of an instance type cost for an hour.
func FleetHourUSD(in profile.Instance, workers int) float64 {
	return float64(workers) * in.USDPerHour
}
