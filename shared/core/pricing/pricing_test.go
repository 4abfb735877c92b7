package pricing

import (
	"math"
	"testing"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

var today = profile.Prices{
	LambdaGBSecondX86: 0.0000166667, LambdaGBSecondARM: 0.0000133334, LambdaPerRequest: 2e-7, LambdaGrainMS: 1,
	SQSPerRequest: 4e-7, SQSStepKB: 64, HTTPAPIPerRequest: 1e-6, HTTPAPIOverTier: 9e-7, HTTPAPITierRequests: 3e8, HTTPAPIStepKB: 512,
	DynamoDBPerWrite: 6.25e-7, DynamoDBPerRead: 1.25e-7, CloudWatchMetricPerMonth: 0.3, CloudWatchGetPerMetricRead: 1e-5,
	CloudWatchPutPerRequest: 1e-5, AlarmPerMonth: 0.1, DashboardPerMonth: 3, LogsPerGB: 0.5, EndpointPerHour: 0.01, EndpointPerGB: 0.01, TransferPerGB: 0.09,
	PublicIPv4PerHour: 0.005, DiskPerGBMonth: 0.08, BalancerPerHour: 0.0225, BalancerPerLCUHour: 0.008,
	SecretPerMonth: 0.4, SecretPerCall: 5e-6, S3PerPut: 5e-6, S3PerGet: 4e-7, SchedulePerCall: 1e-6,
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12+1e-9*math.Abs(b) }

func TestWorkedExamples(t *testing.T) {
	in2020 := today
	in2020.LambdaGrainMS = 100
	c5 := profile.Instance{VCPUs: 2, USDPerHour: 0.085}
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"100 ms of one of two vCPUs", WorkerQueryUSD(c5, 100), 0.085 / 2 / 36000},
		{"1 GB for 51 ms", FunctionQueryUSD(today, "x86_64", 1024, 50.2), 0.0000166667*0.051 + 2e-7},
		{"in steps of 100 ms", FunctionQueryUSD(in2020, "x86_64", 1024, 50.2), 0.0000166667*0.1 + 2e-7},
		{"on arm64", FunctionQueryUSD(today, "arm64", 2048, 1000), 0.0000133334*2 + 2e-7},
		{"one in ten is cold", MeanFunctionUSD(today, Invocations{"x86_64", 1024, 100, 900, 0.1}), 0.0000166667*0.19 + 2e-7},
		{"three workers", FleetHourUSD(c5, 3), 0.255},
	} {
		if !near(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// Whatever is asked, an hour never admits more than its budget.
