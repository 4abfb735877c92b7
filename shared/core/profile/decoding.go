package profile

import "slices"

// Decoding is what a picture takes beyond what profiles include, which were
// measured with pictures of about the model's size. The zero value is nothing.
type Decoding struct {
	// Pixels are the picture's own, by its header, which intake checked against the limit:
	// the process that decodes it takes this number and no more.
	Pixels int `json:"pixels,omitempty"`
	// MS is on one vCPU of the reference machine.
	MS       float64 `json:"ms,omitempty"`
	MemoryMB int     `json:"memory_mb,omitempty"`
}

// largeMS is from what decoding time on a picture is large. A run keeps its core until it
// ends, and another caller's short run on the same machine would share the core with it;
// of one as long as the scheduler's time slices, a few milliseconds, it would notice
// little.
const largeMS = 5

// Large reports whether decoding is slow enough to be done in the background.
func (d Decoding) Large() bool { return d.MS >= largeMS }

// Decoding returns the catalogue with models as they are for a picture that takes
// so much more: longer on every resource by its speed, and larger. Batches are
// left out, as nothing is known of them. Models that take no pictures stay.
func (c *Catalogue) Decoding(d Decoding) *Catalogue {
	if d.MS <= 0 && d.MemoryMB <= 0 {
		return c
	}
	out := *c
	out.Models = slices.Clone(c.Models)
	for i := range out.Models {
		out.Models[i] = *c.heavier(&c.Models[i], d)
	}
	return &out
}

// ModelDecoding is Model, as it is for a picture that takes so much more.
func (c *Catalogue) ModelDecoding(name string, d Decoding) (*Model, bool) {
	m, ok := c.Model(name)
	if !ok || d.MS <= 0 && d.MemoryMB <= 0 {
		return m, ok
	}
	return c.heavier(m, d), true
}

func (c *Catalogue) heavier(m *Model, d Decoding) *Model {
	if m.Takes() != Picture {
		return m
	}
	out := *m
	out.MemoryMB += d.MemoryMB
	out.Latency = c.decoding(m.Latency, d.MS)
	return &out
}

func (c *Catalogue) decoding(all []Latency, ms float64) []Latency {
	var out []Latency
	for _, l := range all {
		if l.Batch > 1 {
			continue
		}
		more := ms * c.slowness(l.Resource, l.MemoryMB)
		l.MS = Percentiles{P50: l.MS.P50 + more, P95: l.MS.P95 + more, P99: l.MS.P99 + more}
		out = append(out, l)
	}
	return out
}

// slowness is how many times as long as on the reference machine work of one
// thread takes on a resource; 1 where that is not known.
func (c *Catalogue) slowness(resource string, memoryMB int) float64 {
	if in, ok := c.Instance(resource); ok && in.Speed > 0 {
		return 1 / in.Speed
	}
	for _, f := range c.Functions {
		if resource == "lambda-"+f.Arch && f.Speed > 0 && memoryMB > 0 {
			return f.slowness(memoryMB)
		}
	}
	return 1
}
