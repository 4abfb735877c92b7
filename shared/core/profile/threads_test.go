package profile

import "testing"

// A run has the threads that pay by the profile, one at most for each whole vCPU, and its
// time is that of these threads.
func TestFunctionThreads(t *testing.T) {
	row := func(resource string, memoryMB, threads int, p50 float64) Latency {
		return Latency{Resource: resource, MemoryMB: memoryMB, Threads: threads, Batch: 1, MS: Percentiles{p50, p50, p50}, Source: source()}
	}
	of := func(l Latency) Latency { l.ColdMS = &Percentiles{300, 300, 300}; return l }
	one, two, four := of(row("reference", 0, 1, 100)), row("reference", 0, 2, 60), row("reference", 0, 4, 40)
	crowd := row("reference", 0, 2, 10)
	crowd.Concurrency = 8
	batch := row("reference", 0, 2, 10)
	batch.Batch = 8
	for _, tt := range []struct {
		name     string
		rows     []Latency
		memoryMB int
		threads  int
		p50      float64
	}{
		{"one vCPU", []Latency{one, two, four}, 1769, 1, 100},
		{"not two whole vCPUs", []Latency{one, two, four}, 3008, 1, 100},
		{"two vCPUs", []Latency{one, two, four}, 3538, 2, 60},
		{"five vCPUs", []Latency{four, two, one}, 10240, 4, 40},
		{"a gain within the noise", []Latency{one, row("reference", 0, 2, 91)}, 3538, 1, 100},
		{"slower than one", []Latency{one, row("reference", 0, 2, 120)}, 3538, 1, 100},
		{"no time with two", []Latency{one}, 3538, 1, 100},
		{"only other ways to run", []Latency{one, crowd, batch}, 3538, 1, 100},
		{"its own figure of one thread", []Latency{one, two, row("lambda-x86_64", 3538, 1, 70)}, 3538, 1, 70},
		{"its own figure of two", []Latency{one, two, row("lambda-x86_64", 3538, 2, 65)}, 3538, 2, 65},
		{"the better of its own", []Latency{one, two, row("lambda-x86_64", 3538, 1, 90), row("lambda-x86_64", 3538, 2, 55)}, 3538, 2, 55},
		{"figures of another size", []Latency{one, two, row("lambda-x86_64", 1024, 1, 90)}, 3538, 2, 60},
	} {
		f, r := valid()
		f.Models[0].Latency = tt.rows
		c, err := Assemble(f, r)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := c.Model("m")
		st, ok := c.OnFunction(m, "x86_64", tt.memoryMB)
		if n := c.FunctionThreads(m, "x86_64", tt.memoryMB); !ok || n != tt.threads || st.Threads != n || st.MS.P50 != tt.p50 {
			t.Errorf("%s: %d threads, %+v; want %d threads and %v ms", tt.name, n, st, tt.threads, tt.p50)
		}
		if st.Source.Kind == "derived" && st.ColdMS.P50 != 300 {
			t.Errorf("%s: cold start %v ms, not that of one thread", tt.name, st.ColdMS.P50)
		}
		if vm, _ := c.OnVM(m, "known"); vm.Threads != 1 || vm.MS.P50 != 200 {
			t.Errorf("%s: on a worker %+v, not one thread", tt.name, vm)
		}
	}
	if n := new(Catalogue).FunctionThreads(&Model{}, "x86_64", 3538); n != 1 {
		t.Errorf("nothing known: %d threads", n)
	}
}
