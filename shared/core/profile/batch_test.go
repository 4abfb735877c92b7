package profile

import "testing"

func TestBatchOnVM(t *testing.T) {
	at := func(resource string, batch int, p50 float64) Latency {
		return Latency{Resource: resource, Threads: 1, Batch: batch, MS: Percentiles{P50: p50}}
	}
	c := &Catalogue{Instances: []Instance{{Type: "c5.large", Speed: 2}}}
	for _, tc := range []struct {
		name     string
		latency  []Latency
		instance string
		most     int
		want     Batching
		pays     bool
	}{
		{"the best that pays", []Latency{at("c5.large", 1, 10), at("c5.large", 4, 32), at("c5.large", 8, 48)}, "c5.large", 8, Batching{8, 6}, true},
		{"bounded", []Latency{at("c5.large", 1, 10), at("c5.large", 4, 32), at("c5.large", 8, 48)}, "c5.large", 4, Batching{4, 8}, true},
		{"a tenth pays", []Latency{at("c5.large", 1, 10), at("c5.large", 2, 18)}, "c5.large", 8, Batching{2, 9}, true},
		{"less does not", []Latency{at("c5.large", 1, 10), at("c5.large", 2, 18.1)}, "c5.large", 8, Batching{}, false},
		{"by the reference, at its speed", []Latency{at("reference", 1, 10), at("reference", 2, 12)}, "c5.large", 8, Batching{2, 3}, true},
		{"not across machines", []Latency{at("c5.large", 1, 10), at("reference", 2, 2)}, "c5.large", 8, Batching{}, false},
		{"nothing known", nil, "c5.large", 8, Batching{}, false},
		{"unknown instance", []Latency{at("reference", 1, 10), at("reference", 2, 12)}, "m5.large", 8, Batching{}, false},
	} {
		got, pays := c.BatchOnVM(&Model{Latency: tc.latency}, tc.instance, tc.most)
		if pays != tc.pays || pays && got != tc.want {
			t.Errorf("%s: %+v, %v; want %+v, %v", tc.name, got, pays, tc.want, tc.pays)
		}
	}
}
