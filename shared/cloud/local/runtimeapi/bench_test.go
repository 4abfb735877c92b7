package runtimeapi

import (
	"testing"
)

// BenchmarkWarm is what an invocation adds to the function's own work.
func BenchmarkWarm(b *testing.B) {
	in := start(b, Options{Functions: []Function{self("f")}})
	call(b, in, "f", "")
	for b.Loop() {
		call(b, in, "f", "")
	}
}

// BenchmarkCold is the start of a process that does nothing, and one event.
func BenchmarkCold(b *testing.B) {
	in := start(b, Options{Functions: []Function{self("f")}, MaxConcurrency: 1})
	var initMS float64
	for b.Loop() {
		_, ms := call(b, in, "f", "")
		initMS += ms
		in.mu.Lock()
		for _, e := range in.environments {
			in.discard(e)
		}
		in.mu.Unlock()
	}
	b.ReportMetric(initMS/float64(b.N), "init-ms/op")
}
