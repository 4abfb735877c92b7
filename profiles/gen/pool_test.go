package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paragon-serving/paragon/profiles/schema"
)

// aPool writes what a conversion leaves: one network with these bytes.
func aPool(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "imagenet"), 0o700); err != nil {
		t.Fatal(err)
	}
	digest := strings.Repeat("ab", 32)
	put(t, dir, poolConverted, map[string]any{
		"date": "2026-11-26", "hardware": "a machine", "onnxruntime": "1.24.3", "labels_package": "labels 1",
		"labels": []string{"cat", "cup"},
		"models": []map[string]any{{
			"name": "net", "file": "net.onnx", "sha256": digest, "bytes": 5 << 20, "side": 224, "top1_published": 75.1,
			"inference_ms": map[string]any{"p50": 9, "p95": 10, "p99": 11, "samples": 100},
			"package":      "net 0.1.0", "weights": "net.pth", "weights_sha256": digest,
		}},
	})
	return dir
}

func put(t *testing.T, dir, name string, v any) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A converted pool becomes a folder of profiles that the product takes, first
// with the conversion's latency, then with the one measured.
func TestAPoolBecomesProfiles(t *testing.T) {
	dir := aPool(t)
	measured := map[string]any{"hardware": "this machine", "models": []map[string]any{{
		"name": "net", "memory_mb": 165,
		"latency": []map[string]any{{
			"resource": "reference", "threads": 1, "batch": 1, "ms": map[string]any{"p50": 12, "p95": 13, "p99": 14},
			"source": map[string]any{"kind": "measured", "file": poolLatency, "row": "name=net", "column": "ms", "date": "2026-11-26"},
		}},
	}}}
	for _, tc := range []struct {
		latency  any
		p50      float64
		memoryMB int
	}{{nil, 9, 79}, {measured, 12, 165}} {
		if tc.latency != nil {
			put(t, dir, poolLatency, tc.latency)
		}
		if err := writePool(t.Context(), "..", dir); err != nil {
			t.Fatal(err)
		}
		set, err := schema.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		c, err := set.Catalogue("imagenet")
		if err != nil {
			t.Fatal(err)
		}
		m, ok := c.Model("net")
		if !ok || m.Latency[0].MS.P50 != tc.p50 || m.MemoryMB != tc.memoryMB || m.Accuracy.Top1Percent != 75.1 {
			t.Errorf("the model is %+v, want a p50 of %v ms and %d MB", m, tc.p50, tc.memoryMB)
		}
		if m.Input == nil || m.Input.Width != 224 || m.Input.Channels != 3 || len(c.LabelsOf(m)) != 2 {
			t.Errorf("input %+v, labels %v", m.Input, c.LabelsOf(m))
		}
	}
}
