package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// The files of a pool below its folder: what the conversion wrote of it, and
// what paragon profile measured.
const (
	poolName      = "imagenet"
	poolConverted = poolName + "/converted.json"
	poolLatency   = poolName + "/latency.json"
)

// poolMemoryMB are the function sizes of a pool: the last buys two vCPUs, for runs on two
// threads.
var poolMemoryMB = []int{512, 1024, 1769, 3008, 3538}

// convertedFile is what profiles/pools/imagenet/convert.py writes.
type convertedFile struct {
	Date, Hardware string
	ONNXRuntime    string `json:"onnxruntime"`
	LabelsPackage  string `json:"labels_package"`
	Labels         []string
	Models         []convertedModel
}

type convertedModel struct {
	Name, File, SHA256 string
	Bytes              int
	Side               int     // of the input, in pixels
	Top1Published      float64 `json:"top1_published"` // percent
	InferenceMS        struct {
		P50, P95, P99 float64
		Samples       int
	} `json:"inference_ms"`
	Package       string
	Weights       string
	WeightsSHA256 string `json:"weights_sha256"`
}

// writePool makes a folder of profiles of its own out of a converted pool: its
// catalogue, and copies of what all catalogues share. The measured latencies
// are in it once paragon profile has written them; until then the conversion's.
func writePool(ctx context.Context, shared, pool string) error {
	files, err := poolFiles(ctx, pool)
	if err != nil {
		return err
	}
	for _, name := range []string{"schema.json", "instances.json", "functions.json", "prices.json"} {
		if files[name], err = os.ReadFile(filepath.Join(shared, name)); err != nil {
			return fmt.Errorf("copy what catalogues share: %w", err)
		}
	}
	return writeAll(pool, files)
}

// poolFiles are the generated files of the pool that lies in a folder.
func poolFiles(ctx context.Context, pool string) (map[string][]byte, error) {
	if _, err := os.Stat(filepath.Join(pool, mailTrained)); err == nil {
		return mailFiles(ctx, pool)
	}
	c, err := poolCatalogue(pool)
	if err != nil {
		return nil, err
	}
	raw, err := encode(c)
	return map[string][]byte{poolName + "/catalogue.json": raw}, err
}

func poolCatalogue(pool string) (profile.File, error) {
	var made convertedFile
	if err := readJSON(pool, poolConverted, &made); err != nil {
		return profile.File{}, err
	}
	var timed latencyFile
	if err := readJSON(pool, poolLatency, &timed); err != nil && !errors.Is(err, os.ErrNotExist) {
		return profile.File{}, err
	}
	f := profile.File{
		Schema: "../schema.json", Name: poolName, Prices: "us-east-1-2026",
		Reference:        poolReference(made, timed),
		FunctionMemoryMB: poolMemoryMB,
		Tasks:            []profile.Task{{Name: poolName, Labels: made.Labels}},
	}
	for _, m := range made.Models {
		out := m.profile(made)
		timed.into(&out)
		f.Models = append(f.Models, out)
	}
	return f, nil
}

func poolReference(made convertedFile, timed latencyFile) profile.Reference {
	hardware := timed.Hardware
	if hardware == "" {
		hardware = made.Hardware
	}
	return profile.Reference{
		Hardware: hardware, Speed: 1,
		Source: profile.Source{
			Kind: "derived", File: poolConverted, Row: "all", Column: "hardware", Date: made.Date,
			Note: "a vCPU of this machine is taken as fast as a c5's, until paragon profile has run on one",
		},
	}
}

// cropPaddingPX is by how much the shorter side was longer than the crop when the authors
// measured the accuracies (CROP_PADDING in tensorflow/tpu,
// models/official/efficientnet/preprocessing.py). They then resized with TensorFlow's own
// filters, which do not widen as a picture shrinks.
const cropPaddingPX = 32

// profile is a model of the catalogue, timed by the conversion alone.
func (m convertedModel) profile(made convertedFile) profile.Model {
	source := func(kind, column, note string) profile.Source {
		return profile.Source{
			Kind: kind, File: poolConverted, Row: "name=" + m.Name, Column: column,
			Hardware: made.Hardware, Date: made.Date, Note: note,
		}
	}
	accuracy := source("published", "top1_published", "its authors', on ImageNet's validation set, with the same crop and TensorFlow's filter; weights "+m.Weights+
		" of "+m.Package+", SHA-256 "+m.WeightsSHA256+"; labels of "+made.LabelsPackage)
	accuracy.Hardware = ""
	latency := source("measured", "inference_ms", "ONNX Runtime "+made.ONNXRuntime+" from Python, CPU time of the thread, without preprocessing")
	latency.Samples = m.InferenceMS.Samples
	return profile.Model{
		Name: m.Name, Task: poolName, File: m.File, SHA256: m.SHA256,
		Input:        &profile.Input{Width: m.Side, Height: m.Side, Channels: 3, Layout: profile.NCHW, Resize: profile.ShorterSide, ShorterSidePX: m.Side + cropPaddingPX},
		Accuracy:     profile.Accuracy{Top1Percent: m.Top1Published, Source: accuracy},
		MemoryMB:     64 + int(math.Ceil(3*float64(m.Bytes)/(1<<20))),
		MemorySource: source("derived", "bytes", "64 MB for the process and runtime, and three times the file"),
		Latency: []profile.Latency{{
			Resource: "reference", Threads: 1, Batch: 1, Source: latency,
			MS: profile.Percentiles{P50: m.InferenceMS.P50, P95: m.InferenceMS.P95, P99: m.InferenceMS.P99},
		}},
	}
}

// writeAll writes files below a folder.
func writeAll(dir string, files map[string][]byte) error {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write the generated %s: %w", name, err)
		}
	}
	return nil
}
