package profile

import (
	"slices"
	"testing"
)

// deployed is a catalogue with a model that came with it and one that was added, of 85 MB.
func deployed(d *Deployed) (c *Catalogue, shipped, added *Model) {
	latency := []Latency{{Resource: reference, Threads: 1, Batch: 1, MS: Percentiles{P50: 10, P95: 10, P99: 10}, ColdMS: &Percentiles{P50: 100, P95: 150, P99: 200}}}
	c = &Catalogue{
		Functions: []FunctionSizes{{Arch: "x86_64", MemoryMB: []int{512, 1024}, MBPerVCPU: 1024, Speed: 1,
			Fetch: &Fetch{FirstByteMS: Percentiles{P50: 50, P95: 100, P99: 100}, MBPerSecond: 85}}},
		Models:   []Model{{Name: "shipped", Latency: latency}, {Name: "added", SHA256: "abcdef", FileBytes: 85e6, Latency: latency}},
		Deployed: d, added: map[string]bool{"added": true},
	}
	return c, &c.Models[0], &c.Models[1]
}

// A model that was added since the deployment runs on the generic functions, one whose
// file the deployment knows on its own, and on one machine each has its own.
func TestAddedModelsRunOnGenericFunctions(t *testing.T) {
	generic, own := []int{3008}, []int{512, 1024}
	for _, tc := range []struct {
		name    string
		d       *Deployed
		generic bool
		want    []int
	}{
		{"one machine", nil, false, own},
		{"added since", &Deployed{GenericMB: generic}, true, generic},
		{"no generic functions", &Deployed{}, true, nil},
		{"known to the deployment", &Deployed{GenericMB: generic, Own: map[string]string{"added": "abcd"}}, false, own},
		{"another file than is known", &Deployed{GenericMB: generic, Own: map[string]string{"added": "abce"}}, true, generic},
	} {
		c, shipped, added := deployed(tc.d)
		if got := c.FunctionMB(added, "x86_64"); c.OnGeneric(added) != tc.generic || !slices.Equal(got, tc.want) {
			t.Errorf("%s: generic %v, sizes %v", tc.name, c.OnGeneric(added), got)
		}
		if got := c.FunctionMB(added, "sparc"); len(got) > 0 {
			t.Errorf("%s: sizes %v of an architecture without functions", tc.name, got)
		}
		if got := c.FunctionMB(shipped, "x86_64"); c.OnGeneric(shipped) || !slices.Equal(got, own) {
			t.Errorf("%s: the shipped model has sizes %v", tc.name, got)
		}
	}
}

// The fetch from the bucket is part of an added model's cold start: two requests and the
// file at 85 MB/s.
func TestAColdStartIncludesTheFetch(t *testing.T) {
	c, shipped, added := deployed(&Deployed{GenericMB: []int{1024}})
	for m, want := range map[*Model]Percentiles{
		shipped: {P50: 100, P95: 150, P99: 200},
		added:   {P50: 100 + 2*50 + 1000, P95: 150 + 2*100 + 1000, P99: 200 + 2*100 + 1000},
	} {
		if st, ok := c.OnFunction(m, "x86_64", 1024); !ok || st.ColdMS != want {
			t.Errorf("%s starts in %+v, want %+v", m.Name, st.ColdMS, want)
		}
	}
	added.Latency = append(added.Latency, Latency{Resource: "lambda-x86_64", MemoryMB: 1024, Threads: 1, Batch: 1, ColdMS: &Percentiles{P50: 700}})
	if st, _ := c.OnFunction(added, "x86_64", 1024); st.ColdMS.P50 != 700 {
		t.Errorf("a measured start, which has the fetch in it, is %v ms", st.ColdMS.P50)
	}
	c.Functions[0].Fetch, added.Latency = nil, added.Latency[:1]
	if st, _ := c.OnFunction(added, "x86_64", 1024); st.ColdMS.P50 != 100 {
		t.Errorf("without figures of a fetch the start is %v ms", st.ColdMS.P50)
	}
}
