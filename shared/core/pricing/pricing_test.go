package pricing

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/shared/core/profile"
)

var today = profile.Prices{
	LambdaGBSecondX86: 0.0000166667, LambdaGBSecondARM: 0.0000133334, LambdaPerRequest: 2e-7, LambdaGrainMS: 1,
	SQSPerRequest: 4e-7, SQSStepKB: 64, HTTPAPIPerRequest: 1e-6, HTTPAPIOverTier: 9e-7, HTTPAPITierRequests: 3e8, HTTPAPIStepKB: 512,
	DynamoDBPerWrite: 6.25e-7, DynamoDBPerRead: 1.25e-7, CloudWatchMetricPerMonth: 0.3, CloudWatchGetPerMetricRead: 1e-5,
	CloudWatchPutPerRequest: 1e-5, AlarmPerMonth: 0.1, DashboardPerMonth: 3, LogsPerGB: 0.5, EndpointPerHour: 0.01, EndpointPerGB: 0.01,
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

func TestABudgetTurnsWithTheHour(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 59, 0, 0, time.UTC)
	var b Budget
	b.Limit(1)
	if err := b.Admit(at, 0.9); err != nil {
		t.Fatal(err)
	}
	var over *OverBudget
	if err := b.Admit(at, 0.2); !errors.As(err, &over) || !over.Until.Equal(at.Add(time.Minute)) {
		t.Fatalf("beyond the budget: %v", err)
	}
	b.Settle(at, 0.9, 0.5)
	if err := b.Admit(at, 0.2); err != nil {
		t.Errorf("after one cost less than booked: %v", err)
	}
	if err := b.Admit(at.Add(2*time.Minute), 1); err != nil {
		t.Errorf("the next hour has less: %v", err)
	}
	if err := b.Admit(at, 0.1); err == nil {
		t.Error("a clock that steps back spends an hour twice")
	}
	if err := new(Budget).Admit(at, 1e6); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}

// Whatever is asked, an hour never admits more than its budget.
func TestABudgetIsNeverPassed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Float64Range(0.001, 10).Draw(t, "limit")
		var b Budget
		b.Limit(limit)
		at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
		spent := map[time.Time]float64{}
		for range 50 {
			at = at.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "minutes")) * time.Minute)
			usd := rapid.Float64Range(0, 2).Draw(t, "usd")
			if b.Admit(at, usd) == nil {
				spent[at.Truncate(time.Hour)] += usd
			}
		}
		for hour, usd := range spent {
			if usd > limit+1e-9 {
				t.Fatalf("%v spent %v of %v", hour, usd, limit)
			}
		}
	})
}
