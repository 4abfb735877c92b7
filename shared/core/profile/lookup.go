package profile

import (
	"fmt"
	"slices"
)

// systemMB is the memory of a VM that is not for models: the system and the worker.
const systemMB = 512

// Holds reports whether an instance type has the memory for a model.
func (in Instance) Holds(m *Model) bool { return m.MemoryMB+systemMB <= in.MemoryMB }

// reference names the machine whose figures others scale from.
const reference = "reference"

// OnVM returns the service time of a model on one vCPU of an instance type,
// one thread and batch 1: a figure for that type if there is one, else the
// reference figure divided by the type's speed. It is false when neither is known.
func (c *Catalogue) OnVM(m *Model, instanceType string) (ServiceTime, bool) {
	if l := m.find(instanceType, 0); l != nil {
		return ServiceTime{MS: l.MS, Threads: 1, Source: l.Source}, true
	}
	in, ok := c.Instance(instanceType)
	l := m.find(reference, 0)
	if !ok || l == nil || in.Speed <= 0 {
		return ServiceTime{}, false
	}
	src := l.Source
	src.Kind = "derived"
	return ServiceTime{MS: l.MS.Scaled(1 / in.Speed), Threads: 1, Source: src}, true
}

// OnFunction returns the service time of a model on an inference function of
// an architecture and memory size: a figure for that size if there is one,
// else the reference figure at the share of a vCPU that the memory buys. More
// than one vCPU helps a run only on several threads, which it has where they pay (see
// FunctionThreads). Of a model whose functions get its file from a bucket, that is part
// of a cold start.
func (c *Catalogue) OnFunction(m *Model, arch string, memoryMB int) (ServiceTime, bool) {
	fs, ok := c.FunctionSizes(arch)
	if l, cold := m.fastest("lambda-"+arch, memoryMB, fs.vCPUs(memoryMB)); l != nil {
		return ServiceTime{MS: l.MS, ColdMS: cold, Threads: l.Threads, Source: l.Source}, true
	}
	l, cold := m.fastest(reference, 0, fs.vCPUs(memoryMB))
	if !ok || l == nil || fs.Speed <= 0 || fs.MBPerVCPU <= 0 {
		return ServiceTime{}, false
	}
	slow := fs.slowness(memoryMB)
	src := l.Source
	src.Kind = "derived"
	st := ServiceTime{MS: l.MS.Scaled(slow), ColdMS: cold.Scaled(slow), Threads: l.Threads, Source: src}
	if c.fetched(m) {
		st.ColdMS = st.ColdMS.Plus(fs.Fetch.of(m.FileBytes))
	}
	return st, true
}

// slowness is how many times as long as on the reference machine one thread takes on
// a function of so much memory.
func (f FunctionSizes) slowness(memoryMB int) float64 {
	return max(1, float64(f.MBPerVCPU)/float64(memoryMB)) / f.Speed
}

// FunctionSizes returns the function sizes of an architecture.
func (c *Catalogue) FunctionSizes(arch string) (FunctionSizes, bool) {
	for _, f := range c.Functions {
		if f.Arch == arch {
			return f, true
		}
	}
	return FunctionSizes{}, false
}

// WithFunctionSizes returns a copy of the catalogue whose functions come in some
// of their sizes alone, on every architecture. It fails for a size that is not there.
func (c *Catalogue) WithFunctionSizes(memoryMB []int) (*Catalogue, error) {
	sizes := slices.Compact(slices.Sorted(slices.Values(memoryMB)))
	out := *c
	out.Functions = slices.Clone(c.Functions)
	for i, f := range out.Functions {
		for _, mb := range sizes {
			if !slices.Contains(f.MemoryMB, mb) {
				return nil, fmt.Errorf("catalogue %s has no function with %d MB on %s: choose from %v", c.Name, mb, f.Arch, f.MemoryMB)
			}
		}
		out.Functions[i].MemoryMB = sizes
	}
	return &out, nil
}

// find returns the single-thread, batch-1 figure for a resource, or nil.
func (m *Model) find(resource string, memoryMB int) *Latency {
	for i := range m.Latency { // not copied: each query looks several times
		if l := &m.Latency[i]; l.MemoryMB == memoryMB && l.Batch == 1 && l.Threads == 1 && l.Concurrency <= 1 && l.Resource == resource {
			return l
		}
	}
	return nil
}
