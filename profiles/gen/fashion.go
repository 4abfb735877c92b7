package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/paragon-serving/paragon/shared/core/profile"
)

// accuracyFile is what the training writes: each network with its score on the
// held-out test set.
type accuracyFile struct {
	Models []struct {
		Name   string
		File   string
		SHA256 string
		Bytes  int
		Test   struct{ Correct, Total int }
		// LatencyMS is of the inference alone, called from Python.
		LatencyMS struct {
			P50, P95, P99 float64
			Samples       int
		} `json:"latency_ms"`
		Measured struct {
			Date, Hardware, Python string
			ONNXRuntime            string `json:"onnxruntime"`
		}
	}
}

// latencyFile is what paragon profile writes: each network through the engine.
type latencyFile struct {
	Hardware string `json:"hardware"`
	Models   []struct {
		Name     string            `json:"name"`
		MemoryMB int               `json:"memory_mb"`
		Latency  []profile.Latency `json:"latency"`
	} `json:"models"`
}

var fashionLabels = []string{
	"t-shirt-top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot",
}

const (
	fashionAccuracy = "fashion/accuracy.json"
	fashionLatency  = "fashion/latency.json"
	// fashionOthers are what paragon profile wrote of functions and of EC2 types.
	fashionOthers = "fashion/latency-*.json"
)

// fashion builds the catalogue of the networks that ship. A network that
// paragon profile has not measured yet has its inference time from the
// training's own measurement.
func fashion(dir string) (any, error) {
	var scored accuracyFile
	if err := readJSON(dir, fashionAccuracy, &scored); err != nil {
		return nil, err
	}
	var timed latencyFile
	if err := readJSON(dir, fashionLatency, &timed); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f := profile.File{
		Schema: "../schema.json",
		Name:   "fashion", Prices: "us-east-1-2026",
		Reference:        fashionReference(timed.Hardware),
		FunctionMemoryMB: poolMemoryMB,
		Tasks:            []profile.Task{{Name: "fashion", Labels: fashionLabels}},
	}
	others, err := otherResources(dir)
	if err != nil {
		return nil, err
	}
	for i, m := range scored.Models {
		if _, err := os.Stat(filepath.Join(dir, "fashion", m.File)); err != nil {
			return nil, fmt.Errorf("%s names a network that is not there: %w", fashionAccuracy, err)
		}
		out := fashionModel(scored, i)
		timed.into(&out)
		for _, file := range others {
			file.addTo(&out)
		}
		f.Models = append(f.Models, out)
	}
	return f, nil
}

func fashionReference(hardware string) profile.Reference {
	if hardware == "" {
		hardware = "the machine of the training"
	}
	return profile.Reference{
		Hardware: hardware, Speed: 1,
		Source: profile.Source{
			Kind: "derived", File: fashionAccuracy, Row: "name=logistic", Column: "measured.hardware", Date: typesDate,
			Note: "a vCPU of this machine is taken as fast as a c5's, until paragon profile has run on one",
		},
	}
}

func fashionModel(scored accuracyFile, i int) profile.Model {
	m := scored.Models[i]
	row := "name=" + m.Name
	source := func(column string) profile.Source {
		return profile.Source{
			Kind: "measured", File: fashionAccuracy, Row: row, Column: column, Hardware: m.Measured.Hardware,
			Date: m.Measured.Date, Note: "ONNX Runtime " + m.Measured.ONNXRuntime,
		}
	}
	accuracy := source("test")
	accuracy.Samples = m.Test.Total
	latency := source("latency_ms")
	latency.Samples, latency.Note = m.LatencyMS.Samples, latency.Note+" from Python "+m.Measured.Python+", without preprocessing"
	memory := source("bytes")
	memory.Kind, memory.Factor, memory.Note = "derived", 0, "64 MB for the process and runtime, and three times the file"
	return profile.Model{
		Name: m.Name, Task: "fashion", File: m.File, SHA256: m.SHA256,
		Input: &profile.Input{Width: 28, Height: 28, Channels: 1, Layout: profile.NCHW, Resize: profile.Exact},
		Accuracy: profile.Accuracy{
			Top1Percent: 100 * float64(m.Test.Correct) / float64(m.Test.Total),
			Correct:     m.Test.Correct, Total: m.Test.Total, Source: accuracy,
		},
		MemoryMB:     64 + int(math.Ceil(3*float64(m.Bytes)/(1<<20))),
		MemorySource: memory,
		Latency: []profile.Latency{{
			Resource: "reference", Threads: 1, Batch: 1, Source: latency,
			MS: profile.Percentiles{P50: m.LatencyMS.P50, P95: m.LatencyMS.P95, P99: m.LatencyMS.P99},
		}},
	}
}

// otherResources are the figures of resources besides the reference machine,
// a file each.
func otherResources(dir string) ([]latencyFile, error) {
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(fashionOthers)))
	if err != nil {
		return nil, err
	}
	out := make([]latencyFile, len(files))
	for i, file := range files {
		if err := readJSON(dir, "fashion/"+filepath.Base(file), &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// addTo adds a resource's figures to a model's.
func (l latencyFile) addTo(m *profile.Model) {
	for _, timed := range l.Models {
		if timed.Name == m.Name {
			m.Latency = append(m.Latency, timed.Latency...)
		}
	}
}

// into replaces a model's figures by those measured through the engine.
func (l latencyFile) into(m *profile.Model) {
	for _, timed := range l.Models {
		if timed.Name != m.Name || len(timed.Latency) == 0 {
			continue
		}
		m.Latency = timed.Latency
		m.MemoryMB = timed.MemoryMB
		m.MemorySource = timed.Latency[0].Source
		m.MemorySource.Row, m.MemorySource.Column = "name="+m.Name, "memory_mb"
	}
}
