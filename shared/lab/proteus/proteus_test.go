package proteus

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository is a small copy with a family of two variants that gets perSecond queries a
// second for a minute. It returns the folder and the digests.
func repository(t *testing.T, perSecond int) (folder, digests string) {
	t.Helper()
	var trace, sums strings.Builder
	for i := range 60 * perSecond {
		fmt.Fprintf(&trace, "%d,1,300\n", i*1000/perSecond)
	}
	dir := t.TempDir()
	for _, f := range []struct{ name, content string }{
		{profiled, "Model,Accel,Trials,batchsize,50th_pct\n" +
			"large,onnxruntime_cpu,1,1,100\nlarge,onnxruntime_cpu,1,2,120\nlarge,onnxruntime_cpu,1,4,400\n" +
			"small_224.onnx,onnxruntime_cpu,1,1,10\nlarge,onnxruntime_gpu_ampere,1,1,400\n"},
		{variants + "pair", "large,100\nsmall,92"},
		{traces + "pair.txt", trace.String()},
	} {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.content), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(f.content)), f.name)
	}
	return dir, sums.String()
}

func TestReadsFoldersAndServersByDigest(t *testing.T) {
	dir, digests := repository(t, 20)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for _, source := range []string{dir, server.URL} {
		got, err := read(t.Context(), from(source), digests)
		if err != nil || len(got) != 1 || len(got[0].AtMS) != 1200 || len(got[0].Variants) != 2 {
			t.Fatalf("%s: %+v, %v", source, got, err)
		}
		if v := got[0].Variants; v[0].MS["cpu"][2] != 120 || v[1].Name != "small" || v[1].MS["cpu"][1] != 10 || v[1].Accuracy != 92 {
			t.Errorf("%s: %+v", source, v)
		}
	}
	other := func(ctx context.Context, name string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("else")), nil
	}
	if _, err := read(t.Context(), other, digests); err == nil || !strings.Contains(err.Error(), profiled) {
		t.Errorf("another file is taken: %v", err)
	}
	if _, err := read(t.Context(), from(filepath.Join(dir, "none")), digests); err == nil {
		t.Error("a folder that is not there is taken")
	}
	if _, err := read(t.Context(), from(server.URL+"/none"), digests); err == nil {
		t.Error("an address that is not there is taken")
	}
}

// One device carries 20 queries a second with the small variant, and with the large
// one half of them.
func TestAccuracyScaling(t *testing.T) {
	dir, digests := repository(t, 20)
	families, err := read(t.Context(), from(dir), digests)
	if err != nil {
		t.Fatal(err)
	}
	outcome := func(devices int, downgrade string) Outcome {
		r, err := Play(t.Context(), families, Cluster{"cpu": devices}, Options{MaxBatch: 1, Downgrade: downgrade, Plan: time.Second, Headroom: 0.2}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	with, without := outcome(1, "on"), outcome(1, "off")
	if with.LateRatio > 0.1 || without.LateRatio < 0.3 {
		t.Errorf("%.3f late with, %.3f without", with.LateRatio, without.LateRatio)
	}
	if with.Accuracy < leastShare || with.Accuracy > 98 || with.Other < 0.3 || without.Accuracy != 100 {
		t.Errorf("%+v with, %+v without", with, without)
	}
}

// More of the trace's load, by its headroom, takes more devices or a smaller variant.
func TestPlansForTheLoad(t *testing.T) {
	dir, digests := repository(t, 20)
	families, err := read(t.Context(), from(dir), digests)
	if err != nil {
		t.Fatal(err)
	}
	little, err := planned(t.Context(), families, Cluster{"cpu": 8}, Options{MaxBatch: 1, Downgrade: "off", Plan: 10 * time.Second, Headroom: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	much, err := planned(t.Context(), families, Cluster{"cpu": 8}, Options{MaxBatch: 1, Downgrade: "off", Plan: 10 * time.Second, Headroom: 1.5})
	if err != nil || little[0].Best != "large" || little[0].Devices >= much[0].Devices || much[0].Kind != "cpu" {
		t.Errorf("%+v and %+v, %v", little, much, err)
	}
	if _, err := planned(t.Context(), append(families, families...), Cluster{"cpu": 1}, Options{MaxBatch: 1, Plan: time.Second, Headroom: 1}); err == nil {
		t.Error("two families share one device")
	}
}

// No batch is faster than any that was measured, and none is taken that is slower a
// query than one alone.
func TestBatchesByTheProfile(t *testing.T) {
	f := Family{Variants: []Variant{{Name: "m", MS: map[string]map[int]float64{"k": {1: 100, 2: 120, 4: 200, 8: 900}}}}}
	if size, each := batches(f, "m", "k", 8); size != 4 || each != 60 {
		t.Errorf("batches of %d at %v ms a query", size, each)
	}
	if size, _ := batches(f, "m", "k", 1); size != 0 {
		t.Errorf("batches of %d", size)
	}
}

func TestThePageHasEveryCase(t *testing.T) {
	var cases []Case
	for _, o := range Cases() {
		cases = append(cases, Case{o, Outcome{Queries: 10, Accuracy: 97, Shares: []Share{{Family: "pair", Queries: 10}}}})
	}
	page := Markdown(cases)
	if strings.Count(page, "| 97.00 % |") != len(cases) || !strings.Contains(page, "| pair |") {
		t.Errorf("the page lacks cases: %s", page)
	}
}

func TestEveryCaseMustBeBetterThanINFaaS(t *testing.T) {
	good := Case{Options{MaxBatch: 1, Downgrade: "on", Headroom: 1}, Outcome{LateRatio: 0.078, Accuracy: 96.1}}
	for _, c := range []struct {
		late, accuracy float64
		named          string // what the error says; empty where the goal is met
	}{
		{0.078, 96.1, ""}, {0, 100, ""},
		{0.079, 99, "7.90 %"}, {0.2, 100, "20.00 %"}, {0, 96.09, "96.09 %"}, {0, 0, "0.00 %"},
	} {
		err := BelowGoal([]Case{good, {Options{MaxBatch: 8, Downgrade: "off", Headroom: 1.5}, Outcome{LateRatio: c.late, Accuracy: c.accuracy}}})
		if (err == nil) != (c.named == "") || err != nil && (!strings.Contains(err.Error(), c.named) || !strings.Contains(err.Error(), "batches of at most 8")) {
			t.Errorf("%v late, accuracy %v: %v", c.late, c.accuracy, err)
		}
	}
}
