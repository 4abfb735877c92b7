package profile

// batchPays is the most that a query may take in a batch relative to alone for the
// batch to be worth its wait.
const batchPays = 0.9

// Batching reports what batching a model's queries brings.
type Batching struct {
	Max        int     // queries in one inference
	PerQueryMS float64 // of such a batch at p50
}

// BatchOnVM returns the best batch, of at most most queries, of a model on one
// vCPU of an instance type, and false when batching does not pay: unless a
// batch's time a query (its latency is of the whole batch) is measured at
// least a tenth below batch 1's on the same resource.
func (c *Catalogue) BatchOnVM(m *Model, instanceType string, most int) (Batching, bool) {
	resource, factor := instanceType, 1.0
	alone, ok := m.find(resource, 0)
	if !ok {
		in, known := c.Instance(instanceType)
		if alone, ok = m.find(reference, 0); !ok || !known || in.Speed <= 0 {
			return Batching{}, false
		}
		resource, factor = reference, 1/in.Speed
	}
	best := Batching{PerQueryMS: alone.MS.P50 * batchPays}
	for _, l := range m.Latency {
		if l.Resource != resource || l.MemoryMB != 0 || l.Threads != 1 || l.Batch < 2 || l.Batch > most {
			continue
		}
		if each := l.MS.P50 / float64(l.Batch); each <= best.PerQueryMS {
			best = Batching{Max: l.Batch, PerQueryMS: each}
		}
	}
	best.PerQueryMS *= factor
	return best, best.Max > 0
}
