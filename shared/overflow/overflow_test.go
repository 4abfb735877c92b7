package overflow

import (
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

// A relaxed query waits longer where functions of its own model count as warm.
func TestAQueryWaitsLongerForAWarmFunction(t *testing.T) {
	ms := profile.Percentiles{P50: 40, P95: 44, P99: 48}
	rule := Rule{
		Arch: "x86_64", InstanceType: "c5.large", Settings: settings.Defaults(),
		Catalogue: &profile.Catalogue{
			Functions: []profile.FunctionSizes{{Arch: "x86_64", MemoryMB: []int{1024}}},
			Models: []profile.Model{{Name: "net", File: "net.onnx", MemoryMB: 100, Latency: []profile.Latency{
				{Resource: "c5.large", Threads: 1, Batch: 1, MS: ms},
				{Resource: "lambda-x86_64", MemoryMB: 1024, Threads: 1, Batch: 1, MS: ms, ColdMS: &profile.Percentiles{P50: 1500, P95: 2000, P99: 2500}},
			}}},
		},
	}
	accepted := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	m := query.Message{Model: "net", Class: query.Relaxed, AcceptedAt: accepted, DeadlineAt: accepted.Add(10 * time.Second)}
	last := 10*time.Second - 15*time.Millisecond - 44*time.Millisecond // the way to the function and back, and its run
	for _, c := range []struct {
		name string
		warm []string
		want time.Duration
	}{
		{"none is warm", nil, last - 2000*time.Millisecond - 50*time.Millisecond},
		{"another is warm", []string{"tree"}, last - 2000*time.Millisecond - 50*time.Millisecond},
		{"its own is warm", []string{"forest", "net"}, last - 200*time.Millisecond - 50*time.Millisecond},
	} {
		rule.Warm = c.warm
		at, by, ok := rule.RelaxedOverflowWindow(m)
		if !ok || at.Sub(accepted) != c.want || by.Sub(accepted) != last {
			t.Errorf("%s: from %v to %v (%t), want %v to %v", c.name, at.Sub(accepted), by.Sub(accepted), ok, c.want, last)
		}
	}
}
