package lambdaemulator

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkWarm is what an invocation adds to the function's own work.
func BenchmarkWarm(b *testing.B) {
	for _, bytes := range []int{100, 200 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", bytes), func(b *testing.B) {
			in := start(b, Options{Functions: []Function{self("f")}})
			payload := []byte(`{"do":"nothing","text":"` + strings.Repeat("x", bytes) + `"}`)
			call(b, in, "f", "")
			for b.Loop() {
				if _, err := in.Invoke(b.Context(), "f", payload); err != nil {
					b.Fatal(err)
				}
			}
		})
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
