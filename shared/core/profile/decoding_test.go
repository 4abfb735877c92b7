package profile

import "testing"

// What decoding takes counts on every resource by its speed, and batches are left
// out; models that take no pictures stay as they are, and so does the catalogue.
func TestDecodingIsOnEveryResource(t *testing.T) {
	at := func(resource string, mb, batch int) Latency {
		return Latency{Resource: resource, MemoryMB: mb, Threads: 1, Batch: batch, MS: Percentiles{P50: 1, P95: 2, P99: 3}}
	}
	c := &Catalogue{
		Models: []Model{
			{Name: "sees", File: "a", Input: &Input{}, MemoryMB: 100,
				Latency: []Latency{at("reference", 0, 1), at("reference", 0, 8), at("fast", 0, 1), at("lambda-x", 500, 1)}},
			{Name: "reads", File: "b", Signature: &Signature{}, MemoryMB: 100, Latency: []Latency{at("reference", 0, 1)}},
		},
		Instances: []Instance{{Type: "fast", Speed: 2}, {Type: "slow", Speed: 0.5}},
		Functions: []FunctionSizes{{Arch: "x", MemoryMB: []int{500, 1000}, MBPerVCPU: 1000, Speed: 1}},
	}
	d := Decoding{Pixels: 9, MS: 100, MemoryMB: 50}
	got, ok := c.ModelDecoding("sees", d)
	if !ok || got.MemoryMB != 150 {
		t.Fatalf("%+v", got)
	}
	for typ, want := range map[string]float64{"fast": 1 + 100/2.0, "slow": (1 + 100) / 0.5} {
		if st, _ := c.OnVM(got, typ); st.MS.P50 != want || st.MS.P99 <= st.MS.P50 {
			t.Errorf("on %s: %+v, want p50 %v", typ, st.MS, want)
		}
	}
	for mb, want := range map[int]float64{500: 1 + 100*2, 1000: 1 + 100} {
		if st, _ := c.OnFunction(got, "x", mb); st.MS.P50 != want {
			t.Errorf("on %d MB: %+v, want p50 %v", mb, st.MS, want)
		}
	}
	if _, batched := c.BatchOnVM(got, "slow", 8); batched {
		t.Error("a batch of large pictures is planned as one of small ones")
	}
	if _, batched := c.BatchOnVM(&c.Models[0], "slow", 8); !batched || c.Models[0].MemoryMB != 100 {
		t.Error("the catalogue itself changed")
	}
	if all := c.Decoding(d); all.Models[0].MemoryMB != 150 || all.Models[1].MemoryMB != 100 {
		t.Errorf("%+v", all.Models)
	}
	if c.Decoding(Decoding{}) != c {
		t.Error("without anything it is another catalogue")
	}
}
