// Package pricing says what a query costs on each kind of resource, what
// comes on top of the computing, and whether an hourly budget still covers it.
// It is pure: prices and time are passed in, and money is in US dollars.
package pricing

import (
	"math"

	"paragon/shared/core/profile"
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

// Trip counts what a query takes on its way, besides computing. These figures
// are the one place where it is counted; `make rehearse` holds the writes to what
// the deployed code writes, and docs/costs.md tells them one by one.
type Trip struct {
	HTTPRequests float64 // at the gateway, each a run of the api function
	QueueCalls   float64 // send, receive and delete, each a request; a batch shares one
	StoreWrites  float64 // units: 1 KB of an item, or an entry of an index
	StoreReads   float64 // units: 4 KB of an item
	LogKB        float64
}

// WorkerTrip is the trip of a query that is submitted and read once, also of one
// that goes straight to the overflow queue. Its
// message is sent, received and deleted. Accepted, it is an item of less than
// 1 KB and three index entries; at its end an item of up to 2 KB, and an entry
// that is taken out. It is read before it runs and by its caller. The gateway
// and Lambda log two lines each.
func WorkerTrip() Trip {
	return Trip{HTTPRequests: 2, QueueCalls: 3, StoreWrites: 7, StoreReads: 2, LogKB: 1.6}
}

// BouncedTrip is the trip of a query that a worker hands over.
func BouncedTrip() Trip {
	t := WorkerTrip()
	t.QueueCalls += 3
	t.StoreReads++
	return t
}

// MachineryUSD is what a trip costs: gateway and api function, queues, store
// and logs.
func MachineryUSD(p profile.Prices, t Trip) float64 {
	return t.HTTPRequests*(p.HTTPAPIPerRequest+FunctionQueryUSD(p, "arm64", APIMB, apiMS)) + t.QueueCalls*p.SQSPerRequest +
		t.StoreWrites*p.DynamoDBPerWrite + t.StoreReads*p.DynamoDBPerRead + t.LogKB/kbOfGB*p.LogsPerGB
}

// FleetHourUSD is what workers of an instance type cost for an hour.
func FleetHourUSD(in profile.Instance, workers int) float64 {
	return float64(workers) * in.USDPerHour
}
