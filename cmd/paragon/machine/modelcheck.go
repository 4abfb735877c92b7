package machine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/engine/onnxruntime"
	"github.com/paragon-serving/paragon/shared/measure"
	"github.com/paragon-serving/paragon/shared/modelcheck"
	"github.com/paragon-serving/paragon/shared/modelstore"
	"github.com/paragon-serving/paragon/shared/priority"
)

const (
	// trialTime bounds a model's load and first answer: 1 GB takes some seconds to load, and
	// a run of a minute would be of no use to anybody. checkTime bounds its measurement.
	trialTime, checkTime = time.Minute, 3 * time.Minute
	// coldStarts are timed, in addition to the check's own.
	coldStarts = 2
	// mostReport bounds what a check prints, in bytes: the labels may be many.
	mostReport = 16 << 20
)

// Checker checks and measures models on this machine for a catalogue.
type Checker struct {
	Catalogue profile.CatalogueSource
	Program   string // this one's path: a model is run in processes of its own
	Library   string // that runs models
	// Measuring is held while a model is measured, so that no other takes its processor; nil
	// where only one is checked.
	Measuring *semaphore.Weighted
	// TrialTime bounds a model's load and first answer; 0 is a minute.
	TrialTime time.Duration
}

// NewChecker finds the program and the library on this machine.
func NewChecker(c profile.CatalogueSource) (*Checker, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	library, err := Library()
	return &Checker{Catalogue: c, Program: program, Library: library}, err
}

// Check runs a draft and measures it: what is to be put into the catalogue, and notes on
// what was inferred.
func (d *Checker) Check(ctx context.Context, o api.ModelOrder, draft modelstore.Draft) (made modelstore.Addition, notes []string, err error) {
	task, there := d.Catalogue.Current().Task(o.Task)
	ask := modelcheck.Request{Kind: o.Kind, Input: o.Input, Labels: o.Labels, Preprocess: o.Preprocess, MaxTokens: o.MaxTokens}
	if there {
		ask = ask.Like(task.AnswerKind(), d.inputOf(task.Name), task.Labels)
	}
	if err := d.trial(ctx, o, draft, ask); err != nil {
		return made, nil, err
	}
	if d.Measuring != nil {
		if err := d.Measuring.Acquire(ctx, 1); err != nil {
			return made, nil, fmt.Errorf("wait for the measurement of another model: %w", err)
		}
		defer d.Measuring.Release(1)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTime, fmt.Errorf("its measurement took longer than %v", checkTime))
	defer cancel()
	report, _, err := d.Run(ctx, o, draft, ask)
	if err != nil {
		return made, nil, err
	}
	cold, err := d.cold(ctx, o, draft, ask, report.MS.P50)
	if err != nil {
		return made, nil, err
	}
	if !there {
		task = profile.Task{Name: o.Task, Kind: report.Kind, Labels: report.Labels}
		if report.Kind == profile.Classify {
			task.Kind = ""
		}
	}
	made, err = addition(o, draft, task, report, cold, time.Now())
	return made, report.Notes, err
}

// trial has a model answer once, behind all other work of this machine, so that one that never
// answers keeps the processor from nobody.
func (d *Checker) trial(ctx context.Context, o api.ModelOrder, draft modelstore.Draft, ask modelcheck.Request) (err error) {
	bound := cmp.Or(d.TrialTime, trialTime)
	ctx, cancel := context.WithTimeoutCause(ctx, bound, fmt.Errorf("it gave no answer within %v", bound))
	defer cancel()
	ask.Once = true
	priority.Background(func() { _, _, err = d.Run(ctx, o, draft, ask) })
	return err
}

// accept checks a draft, measures it and puts it into the catalogue.
func (d *modelHandler) accept(ctx context.Context, o api.ModelOrder, draft modelstore.Draft) (*api.AddedModel, error) {
	path, err := d.m.cfg.binary("paragon")
	if err != nil {
		return nil, err
	}
	checker := &Checker{Catalogue: d.m.store, Program: path, Library: d.m.library, Measuring: d.measuring}
	made, notes, err := checker.Check(ctx, o, draft)
	if err != nil {
		return nil, err
	}
	name, err := d.put(o, draft, made)
	if err != nil {
		return nil, unusable(http.StatusUnprocessableEntity, "task", "%s does not fit the catalogue: %v", o.File, err)
	}
	if err := d.m.functions.SetFunctions(d.m.functionsNow()); err != nil {
		return nil, err
	}
	model, _ := d.m.store.Current().Model(name)
	added := &api.AddedModel{Model: *model, Task: made.Task, Notes: notes, Choices: d.choices(ctx, o.Task)}
	if r, ok := d.m.store.Current().Rollout(name); ok {
		added.Rollout = &r
	}
	return added, nil
}

// inputOf is the kind of input that a task's models take; empty without any.
func (d *Checker) inputOf(task string) profile.InputKind {
	for _, m := range d.Catalogue.Current().Offered().Models {
		if m.Task == task {
			return m.Takes()
		}
	}
	return ""
}

// Run checks a draft in a process of its own, and returns how long it took from its
// start to its first answer.
func (d *Checker) Run(ctx context.Context, o api.ModelOrder, draft modelstore.Draft, ask modelcheck.Request) (r modelcheck.Report, took time.Duration, err error) {
	raw, err := json.Marshal(ask)
	if err != nil {
		return r, 0, fmt.Errorf("encode the request for a check: %w", err)
	}
	out, complaints := modelcheck.Limited{Left: mostReport}, modelcheck.Limited{Left: 4 << 10}
	c := exec.CommandContext(ctx, d.Program, "model-check", draft.Path)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(raw), &out, &complaints
	c.Env = append(os.Environ(), onnxruntime.EnvLibrary+"="+d.Library)
	start := time.Now()
	err = c.Run()
	took = time.Since(start)
	switch {
	case ctx.Err() != nil:
		return r, took, unusable(http.StatusUnprocessableEntity, "", "%s was not checked: %v", o.File, context.Cause(ctx))
	case err != nil:
		return r, took, unusable(http.StatusUnprocessableEntity, "", "%s crashed the process that checked it: %v: %s; a model that cannot run on inputs of zeros needs sample inputs (--sample)", o.File, err, complaints.FirstLine())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, took, fmt.Errorf("read the check's report: %w", err)
	}
	if r.Problem != nil {
		return r, took, unusable(http.StatusUnprocessableEntity, "", "%s", r.Problem.Of(o.File))
	}
	return r, took, nil
}

// cold times starts of a process up to its first answer, less a warm run.
func (d *Checker) cold(ctx context.Context, o api.ModelOrder, draft modelstore.Draft, ask modelcheck.Request, warmMS float64) (profile.Percentiles, error) {
	ask.Once = true
	var all []float64
	for range coldStarts {
		_, took, err := d.Run(ctx, o, draft, ask)
		if err != nil {
			return profile.Percentiles{}, err
		}
		all = append(all, max(0, float64(took)/float64(time.Millisecond)-warmMS))
	}
	slices.Sort(all)
	last := all[len(all)-1]
	return profile.Percentiles{P50: all[len(all)/2], P95: last, P99: last}, nil
}

// measured is the file that a model's sources name.
type measured struct {
	Date     string          `json:"date"`
	Hardware string          `json:"hardware"`
	Library  string          `json:"library"`
	File     string          `json:"file"`
	SHA256   string          `json:"sha256"`
	Bytes    int64           `json:"bytes"`
	Models   []measuredModel `json:"models"`
	Asked    api.ModelOrder  `json:"asked"`
}

type measuredModel struct {
	Name     string              `json:"name"`
	Accuracy float64             `json:"accuracy"` // percent, as stated or measured; 0 is unknown
	MemoryMB int                 `json:"memory_mb"`
	MS       profile.Percentiles `json:"ms"`
	Samples  int                 `json:"samples"`
	ColdMS   profile.Percentiles `json:"cold_ms"`
	// Threads is the same on more threads.
	Threads []modelcheck.Threaded `json:"threads,omitempty"`
	// Batches is that of several queries in one run.
	Batches []profile.BatchTime `json:"batches,omitempty"`
}

// accuracyOf is what is known of a model's accuracy, in percent; 0 when nothing is.
func accuracyOf(o api.ModelOrder) float64 {
	if o.Test == nil {
		return o.Accuracy
	}
	return 100 * float64(o.Test.Correct) / float64(o.Test.Total)
}

// testNote says what an accuracy was measured on, and how sure it is.
func testNote(t api.TestResult) string {
	low, high := measure.Wilson(t.Correct, t.Total)
	return fmt.Sprintf("%d of %d items of %s (SHA-256 %.64s) right, through the engine when it was added; 95 %% interval (Wilson) %.2f to %.2f %%",
		t.Correct, t.Total, t.Data, t.SHA256, 100*low, 100*high)
}

// addition is a model with its profile and where each figure comes from.
func addition(o api.ModelOrder, draft modelstore.Draft, task profile.Task, r modelcheck.Report, cold profile.Percentiles, now time.Time) (modelstore.Addition, error) {
	hardware := fmt.Sprintf("%d vCPU, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	file := measured{
		Date: now.Format(time.DateOnly), Hardware: hardware, Library: r.Library, File: o.File, SHA256: draft.SHA256, Bytes: draft.Bytes, Asked: o,
		Models: []measuredModel{{o.Name, accuracyOf(o), r.MemoryMB, r.MS, r.Samples, cold, r.Threads, r.Batches}},
	}
	raw, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return modelstore.Addition{}, errors.Join(errors.New("encode what was measured"), err)
	}
	source := func(kind, column string, samples int, note string) profile.Source {
		return profile.Source{Kind: kind, File: modelstore.MeasuredFile(draft.SHA256), Row: "name=" + o.Name, Column: column,
			Hardware: hardware, Samples: samples, Date: file.Date, Note: note}
	}
	coldSource := source("measured", "cold_ms", coldStarts, "a separate process, from its start to its first answer, minus a warm run")
	m := profile.Model{
		Name: o.Name, Task: task.Name, Input: r.Picture, Text: r.Text, Signature: r.Signature, MemoryMB: r.MemoryMB,
		MemorySource: source("measured", "memory_mb", 0, "peak memory of the process that checked the model"),
		Accuracy:     profile.Accuracy{Source: source(profile.UnknownAccuracy, "accuracy", 0, "not given and not measured; callers' feedback estimates it")},
		Latency: []profile.Latency{{
			Resource: "reference", Threads: 1, Batch: 1, MS: r.MS, ColdMS: &cold, ColdSource: &coldSource,
			Source: source("measured", "ms", r.Samples, "input to answer, wall clock, when it was added; a vCPU of this machine stands for the catalogue's reference"),
		}},
	}
	m.Latency = append(m.Latency, modelcheck.OnThreads(r.Threads, func(t modelcheck.Threaded) profile.Source {
		return source("measured", "threads", t.Samples, fmt.Sprintf("on %d threads; input to answer, wall clock, when it was added", t.Threads))
	})...)
	m.Latency = append(m.Latency, modelcheck.InBatches(r.Batches, func(t profile.BatchTime) profile.Source {
		return source("measured", "batches", t.Samples, fmt.Sprintf("%d queries in one run: the time of one query, times how much more CPU time a run of %d takes, measured in turns when it was added", t.Batch, t.Batch))
	})...)
	if o.Accuracy > 0 {
		m.Accuracy = profile.Accuracy{Top1Percent: o.Accuracy, Source: source(profile.StatedAccuracy, "accuracy", 0, "by who added it")}
	}
	if t := o.Test; t != nil {
		m.Accuracy = profile.Accuracy{Top1Percent: file.Models[0].Accuracy, Correct: t.Correct, Total: t.Total,
			Source: source("measured", "accuracy", t.Total, testNote(*t))}
	}
	if !slices.Equal(r.Labels, task.Labels) {
		m.Labels = r.Labels
	}
	return modelstore.Addition{Task: task, Model: m, Measured: append(raw, '\n')}, nil
}
