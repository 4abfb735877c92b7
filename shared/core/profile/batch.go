package profile

import "slices"

// batchPays is the most that a query may take in a batch relative to alone for the
// batch to be worth its wait.
const batchPays = 0.9

// LongestBatchMS is how long a batch may take by the time of one query, in milliseconds, to
// be measured: a query that waits longer for its answer is not helped by a higher rate.
const LongestBatchMS = 2000

// BatchSizes are the numbers of queries that are measured in one inference.
func BatchSizes() []int { return []int{2, 4, 8} }

// BatchSizes are those that the model was measured in on the machine that other times are
// scaled from, ascending.
func (m *Model) BatchSizes() (sizes []int) {
	for _, l := range m.Latency {
		if l.Resource == reference && l.Threads == 1 && l.Batch > 1 {
			sizes = append(sizes, l.Batch)
		}
	}
	slices.Sort(sizes)
	return sizes
}

// BatchTime is how long one inference of several queries takes.
type BatchTime struct {
	Batch   int         `json:"batch"` // queries in it
	MS      Percentiles `json:"ms"`    // of the whole batch, from inputs to answers
	Samples int         `json:"samples"`
}

// Batches reports whether the model was measured in batches, so that its queries may share
// a run: before that it was found that their answers are then the same.
func (m *Model) Batches() bool {
	return slices.ContainsFunc(m.Latency, func(l Latency) bool { return l.Batch > 1 })
}

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
	alone := m.find(resource, 0)
	if alone == nil {
		in, known := c.Instance(instanceType)
		if alone = m.find(reference, 0); alone == nil || !known || in.Speed <= 0 {
			return Batching{}, false
		}
		resource, factor = reference, 1/in.Speed
	}
	best, pays := m.batchOn(resource, alone, most)
	best.PerQueryMS *= factor
	return best, pays
}

// BatchOnReference is BatchOnVM for the machine that other times are scaled from.
func (m *Model) BatchOnReference(most int) (Batching, bool) {
	alone := m.find(reference, 0)
	if alone == nil {
		return Batching{}, false
	}
	return m.batchOn(reference, alone, most)
}

// batchOn is the best batch on a resource that takes the time alone for one query.
func (m *Model) batchOn(resource string, alone *Latency, most int) (Batching, bool) {
	best := Batching{PerQueryMS: alone.MS.P50 * batchPays}
	for i := range m.Latency {
		l := &m.Latency[i]
		if l.Resource != resource || l.MemoryMB != 0 || l.Threads != 1 || l.Batch < 2 || l.Batch > most {
			continue
		}
		if each := l.MS.P50 / float64(l.Batch); each <= best.PerQueryMS {
			best = Batching{Max: l.Batch, PerQueryMS: each}
		}
	}
	return best, best.Max > 0
}
