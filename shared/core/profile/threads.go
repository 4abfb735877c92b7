package profile

import "math"

// threadsPay is the most that a run on several threads may take relative to one thread for
// the threads to be worth it: below that the difference may be noise.
const threadsPay = 0.9

// FunctionThreads returns on how many threads one run of a model goes on an inference
// function: on as many as its profile shows to be fastest, at most one for each whole vCPU
// that the memory buys. A function runs one query at a time, so that its other vCPUs have
// nothing else to do. On a worker, which has a runner for each vCPU, every run has one thread.
func (c *Catalogue) FunctionThreads(m *Model, arch string, memoryMB int) int {
	st, _ := c.OnFunction(m, arch, memoryMB)
	return max(1, st.Threads)
}

// vCPUs is how many whole vCPUs so much memory buys, one at least.
func (f FunctionSizes) vCPUs(memoryMB int) int {
	if f.MBPerVCPU <= 0 {
		return 1
	}
	return max(1, memoryMB/f.MBPerVCPU)
}

// fastest returns the batch-1 figure for a resource with the number of threads that pays,
// at most mostThreads, and its cold start: that of one thread where no other was measured.
// It is nil where there is none. Nothing is copied, as each query looks several times.
func (m *Model) fastest(resource string, memoryMB, mostThreads int) (best *Latency, cold Percentiles) {
	one := m.find(resource, memoryMB)
	bestMS := math.Inf(1)
	if best = one; one != nil {
		bestMS = one.MS.P50 * threadsPay
	}
	for i := range m.Latency {
		l := &m.Latency[i]
		if l.MemoryMB != memoryMB || l.Threads < 2 || l.Threads > mostThreads || l.Batch != 1 || l.Concurrency > 1 || l.Resource != resource {
			continue
		}
		if l.MS.P50 < bestMS {
			best, bestMS = l, l.MS.P50
		}
	}
	switch {
	case best != nil && best.ColdMS != nil:
		return best, *best.ColdMS
	case one != nil && one.ColdMS != nil:
		return best, *one.ColdMS
	}
	return best, Percentiles{}
}
