package profile

import "strings"

// Deployed are the inference functions that a deployment made. Models that were added
// since then run on its generic functions, each of which loads any of them.
type Deployed struct {
	GenericMB []int // sizes of the generic functions, rising
	// Own are the added models that it made functions of: the beginning of the SHA-256 of
	// the file by name.
	Own map[string]string
}

// Fetch is what it takes a function to get a model's file from a bucket.
type Fetch struct {
	FirstByteMS Percentiles `json:"first_byte_ms"` // of a request
	MBPerSecond float64     `json:"mb_per_second"` // of one connection
	Source      Source      `json:"source"`
}

// fetchRequests are those of a cold start: of the catalogue of added models, and of the file.
const fetchRequests = 2

// of is what a file of fileBytes bytes adds to a cold start.
func (f *Fetch) of(fileBytes int64) Percentiles {
	if f == nil {
		return Percentiles{}
	}
	ms := float64(fileBytes) / (f.MBPerSecond * 1e6) * 1000
	first := f.FirstByteMS.Scaled(fetchRequests)
	return Percentiles{P50: first.P50 + ms, P95: first.P95 + ms, P99: first.P99 + ms}
}

// Plus returns the sums of percentiles, which bound those of the sum of the durations.
func (p Percentiles) Plus(q Percentiles) Percentiles {
	return Percentiles{P50: p.P50 + q.P50, P95: p.P95 + q.P95, P99: p.P99 + q.P99}
}

// fetched says whether a model's functions get its file from the stage's bucket.
func (c *Catalogue) fetched(m *Model) bool { return c.Deployed != nil && c.added[m.Name] }

// OnGeneric says whether a model has no inference functions of its own, and runs on the
// generic ones: no deployment knows the file that it has now.
func (c *Catalogue) OnGeneric(m *Model) bool {
	if !c.fetched(m) {
		return false
	}
	digest := c.Deployed.Own[m.Name]
	return digest == "" || !strings.HasPrefix(m.SHA256, digest)
}

// FunctionMB returns the memory sizes of the functions that a model may run on, rising.
func (c *Catalogue) FunctionMB(m *Model, arch string) []int {
	sizes, ok := c.FunctionSizes(arch)
	if ok && c.OnGeneric(m) {
		return c.Deployed.GenericMB
	}
	return sizes.MemoryMB
}
