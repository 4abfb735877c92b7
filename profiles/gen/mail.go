package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/modelcheck"
)

// The files of the mail pool below its folder: what the training wrote, and what is
// measured here.
const (
	mailName     = "mail"
	mailTrained  = mailName + "/trained.json"
	mailMeasured = mailName + "/measured.json"
	mailHeldOut  = "held-out.csv"
)

// mailLabels are the classes of the pool, in the order of its models' scores.
var mailLabels = []string{"ham", "spam"}

// trainedFile is what profiles/pools/mail/train.py writes.
type trainedFile struct {
	Date, Mails string
	TrainedOn   int `json:"trained_on"`
	HeldOut     int `json:"held_out"`
	Models      []trainedModel
}

type trainedModel struct {
	Name, File, SHA256 string
	Bytes              int
	MaxTokens          int    `json:"max_tokens"`
	Source             string // of the weights
}

// measuredFile is what this program measured, by the models' names.
type measuredFile struct {
	Date     string                  `json:"date"`
	Hardware string                  `json:"hardware"`
	Library  string                  `json:"library"`
	HeldOut  string                  `json:"held_out_sha256"`
	Models   map[string]measuredMail `json:"models"`
}

type measuredMail struct {
	SHA256  string              `json:"sha256"`
	Correct int                 `json:"correct"`
	Total   int                 `json:"total"`
	MS      profile.Percentiles `json:"ms"` // of a text that fills the bound on tokens
	Samples int                 `json:"samples"`
	// Threads is the same on more threads.
	Threads []modelcheck.Threaded `json:"threads,omitempty"`
	// Batches is that of several texts in one run.
	Batches []profile.BatchTime `json:"batches,omitempty"`
	// Signature is what the model takes and gives, as the check found it.
	Signature *profile.Signature `json:"signature"`
}

// mailFiles are the measurements and the catalogue of the mail pool.
func mailFiles(ctx context.Context, pool string) (map[string][]byte, error) {
	var trained trainedFile
	if err := readJSON(pool, mailTrained, &trained); err != nil {
		return nil, err
	}
	measured, err := measureMail(ctx, pool, trained)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	if out[mailMeasured], err = encode(measured); err != nil {
		return nil, err
	}
	out[mailName+"/catalogue.json"], err = encode(mailCatalogue(trained, measured))
	return out, err
}

// measureMail measures the models on the held-out mails, through the engine as queries
// are answered. What was measured of the same files before is kept.
func measureMail(ctx context.Context, pool string, trained trainedFile) (measuredFile, error) {
	var old measuredFile
	if err := readJSON(pool, mailMeasured, &old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return old, err
	}
	items, digest, err := modelcheck.ReadCSV(filepath.Join(pool, mailHeldOut))
	if err != nil {
		return old, err
	}
	out := measuredFile{Date: time.Now().Format(time.DateOnly), Hardware: fmt.Sprintf("%d vCPU, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
		Library: old.Library, HeldOut: digest, Models: map[string]measuredMail{}}
	if old.Hardware != "" {
		out.Date, out.Hardware = old.Date, old.Hardware
	}
	for _, m := range trained.Models {
		if was, ok := old.Models[m.Name]; ok && was.SHA256 == m.SHA256 && old.HeldOut == digest {
			out.Models[m.Name] = was
			continue
		}
		fmt.Fprintf(os.Stderr, "  %s answers %d held-out mails\n", m.Name, len(items))
		if out.Models[m.Name], out.Library, err = measureOne(ctx, pool, m, items); err != nil {
			return out, fmt.Errorf("%s: %w", m.File, err)
		}
	}
	return out, nil
}

func measureOne(ctx context.Context, pool string, m trainedModel, items []modelcheck.Item) (out measuredMail, library string, err error) {
	onnx, err := os.ReadFile(filepath.Join(pool, mailName, m.File))
	if err != nil {
		return out, "", err
	}
	report, err := modelcheck.Run(ctx, onnx, modelcheck.Request{Kind: profile.Classify, Input: profile.TextIn, Labels: mailLabels, MaxTokens: m.MaxTokens})
	if err == nil && report.Problem != nil {
		err = report.Problem
	}
	if err != nil {
		return out, "", err
	}
	right, err := modelcheck.Accuracy(ctx, onnx, report, items, func(int) {})
	return measuredMail{SHA256: m.SHA256, Correct: right, Total: len(items), MS: report.MS, Samples: report.Samples, Threads: report.Threads, Batches: report.Batches, Signature: report.Signature}, report.Library, err
}

// mailCatalogue is the pool with where each figure comes from.
func mailCatalogue(trained trainedFile, measured measuredFile) profile.File {
	f := profile.File{
		Schema: "../schema.json", Name: mailName, Prices: "us-east-1-2026",
		Reference: profile.Reference{
			Hardware: measured.Hardware, Speed: 1,
			Source: profile.Source{
				Kind: "derived", File: mailMeasured, Row: "all", Column: "hardware", Date: measured.Date,
				Note: "a vCPU of this machine is taken as fast as a c5's, until paragon profile has run on one",
			},
		},
		FunctionMemoryMB: poolMemoryMB,
		Tasks:            []profile.Task{{Name: mailName, Labels: mailLabels}},
	}
	for _, m := range trained.Models {
		f.Models = append(f.Models, m.profile(trained, measured))
	}
	return f
}

// profile is a model of the catalogue.
func (m trainedModel) profile(trained trainedFile, measured measuredFile) profile.Model {
	got := measured.Models[m.Name]
	source := func(file, kind, column string, samples int, note string) profile.Source {
		return profile.Source{Kind: kind, File: file, Row: "name=" + m.Name, Column: column, Hardware: measured.Hardware,
			Samples: samples, Date: measured.Date, Note: note}
	}
	low, high := measure.Wilson(got.Correct, got.Total)
	const way = ", text to answer, wall clock, of a text that fills the bound on tokens"
	latency := []profile.Latency{{Resource: "reference", Threads: 1, Batch: 1, MS: got.MS,
		Source: source(mailMeasured, "measured", "ms", got.Samples, "ONNX Runtime "+measured.Library+way)}}
	latency = append(latency, modelcheck.OnThreads(got.Threads, func(t modelcheck.Threaded) profile.Source {
		return source(mailMeasured, "measured", "threads", t.Samples, fmt.Sprintf("on %d threads; ONNX Runtime %s%s", t.Threads, measured.Library, way))
	})...)
	latency = append(latency, modelcheck.InBatches(got.Batches, func(t profile.BatchTime) profile.Source {
		return source(mailMeasured, "measured", "batches", t.Samples, fmt.Sprintf("%d texts in one run: the time of one text, times how much more CPU time a run of %d takes, measured in turns; ONNX Runtime %s", t.Batch, t.Batch, measured.Library))
	})...)
	return profile.Model{
		Name: m.Name, Task: mailName, File: m.File, SHA256: m.SHA256, Text: &profile.Text{MaxTokens: m.MaxTokens}, Signature: got.Signature,
		Accuracy: profile.Accuracy{
			Top1Percent: 100 * float64(got.Correct) / float64(got.Total), Correct: got.Correct, Total: got.Total,
			Source: source(mailMeasured, "measured", "correct", got.Total, fmt.Sprintf("mails of %s that it was not trained on (SHA-256 %s); 95 %% interval (Wilson) %.2f to %.2f %%; weights of %s",
				trained.Mails, measured.HeldOut, 100*low, 100*high, m.Source)),
		},
		MemoryMB:     64 + int(math.Ceil(3*float64(m.Bytes)/(1<<20))),
		MemorySource: source(mailTrained, "derived", "bytes", 0, "64 MB for the process and runtime, and three times the file"),
		Latency:      latency,
	}
}
