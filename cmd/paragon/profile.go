package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"paragon/profiles"
	"paragon/profiles/schema"
	"paragon/shared/measure"
)

// profileFlags are what `paragon profile` was told.
type profileFlags struct {
	folder, catalogue, out, compare, pictures, clock string
	models                                           []string
	threads, batches, concurrency, memory            []int
	samples, cold                                    int
	budget                                           time.Duration
}

const profileLong = `Measure the models of a catalogue on this machine: from an encoded picture to the
scores of its classes, in every combination of one thread and one picture with
the threads, batches and callers that were named, each with the 50th, 95th and 99th percentile and their 95 %
confidence intervals. A cold start is measured apart: a new process, the library,
the model and a first answer, less a warm run.

--clock thread counts the CPU time of the measuring thread and so leaves out what
others take of a shared machine; it is used for one thread and one caller only.

--out writes the figures in the form that the catalogues are made from (go
generate ./profiles), in place of the same models' earlier ones. --compare shows
how the figures differ from an earlier file and ends with status 1 when one has
moved by more than a tenth and beyond its confidence.`

const profileExample = `  paragon profile --catalogue fashion
  paragon profile --model cnn --batch 1,4,16 --concurrency 1,2,4
  paragon profile --out profiles/fashion/latency.json && go generate ./profiles
  paragon profile --compare profiles/fashion/latency.json`

func (a *app) profileCommand() *cobra.Command {
	f := &profileFlags{}
	c := &cobra.Command{
		Use: "profile", Short: "Measure models on this machine", Long: profileLong, Example: profileExample,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.profile(c.Context(), f) },
	}
	fs := c.Flags()
	profilesFlag(fs, &f.folder, andNetworks)
	fs.StringVar(&f.catalogue, "catalogue", "fashion", "catalogue whose models are measured")
	fs.StringSliceVarP(&f.models, "model", "m", nil, "measure only these models")
	fs.StringVar(&f.pictures, "pictures", "", "folder of PNG pictures (default the samples that come with the product)")
	fs.IntSliceVar(&f.threads, "threads", nil, "threads of one inference, besides 1")
	fs.IntSliceVar(&f.batches, "batch", nil, "pictures of one inference, besides 1")
	fs.IntSliceVar(&f.concurrency, "concurrency", nil, "callers at once, besides 1")
	fs.IntSliceVar(&f.memory, "memory", nil, "function sizes in MB to emulate by a control group's share of a vCPU")
	fs.IntVar(&f.samples, "samples", 20000, "the most runs of a setting")
	fs.DurationVar(&f.budget, "budget", 10*time.Second, "the most time for a setting")
	fs.IntVar(&f.cold, "cold", 20, "cold starts of each model")
	fs.StringVar(&f.clock, "clock", "wall", `what time is counted: "wall" or "thread"`)
	fs.StringVar(&f.out, "out", "", "measurement file to write the figures into")
	fs.StringVar(&f.compare, "compare", "", "measurement file to compare with")
	fs.BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *app) profile(ctx context.Context, f *profileFlags) error {
	job, err := f.job(a.now())
	if err != nil {
		return err
	}
	bar := a.steps(job.Steps())
	job.Tick = func(what string) {
		bar.Describe(what)
		_ = bar.Add(1) // it only draws
	}
	report, err := job.Run(ctx)
	_ = bar.Finish() // likewise
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := writeReport(f.out, report); err != nil {
			return err
		}
	}
	if f.compare != "" {
		return a.compare(f.compare, report)
	}
	if a.json {
		a.printJSON(report)
		return nil
	}
	return a.printProfile(report)
}

// steps is a progress bar on stderr, silent when that is no terminal.
func (a *app) steps(n int) *progressbar.ProgressBar {
	file, ok := a.err.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return progressbar.DefaultSilent(int64(n))
	}
	return progressbar.NewOptions(n, progressbar.OptionSetWriter(a.err), progressbar.OptionFullWidth(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
}

// job turns the flags into what is to be measured.
func (f *profileFlags) job(now time.Time) (measure.Job, error) {
	j := measure.Job{
		Clock: f.clock, ColdRuns: f.cold, MemoryMB: f.memory, Today: now, File: path.Join(f.catalogue, "latency.json"),
		Plan: measure.Plan{Warmup: 50, Samples: f.samples, Budget: f.budget}, Settings: f.settings(),
	}
	switch f.clock {
	case "wall":
		j.Plan.Now = measure.Wall
	case "thread":
		j.Plan.Now = measure.ThreadCPU
	default:
		return j, usagef(`--clock is "wall" or "thread"`)
	}
	if f.samples < 1 || f.cold < 0 || f.budget <= 0 {
		return j, usagef("--samples and --budget are above 0, --cold is not negative")
	}
	if slices.ContainsFunc(slices.Concat(f.threads, f.batches, f.concurrency), func(n int) bool { return n < 1 || n > 1024 }) {
		return j, usagef("--threads, --batch and --concurrency are 1 to 1024")
	}
	if slices.ContainsFunc(f.memory, func(mb int) bool { return mb < 128 || mb > 10240 }) {
		return j, usagef("--memory is 128 to 10240 MB")
	}
	var err error
	if j.Subjects, err = f.subjects(); err != nil {
		return j, err
	}
	exe, err := os.Executable()
	if err != nil {
		return j, fmt.Errorf("find this program, to start it anew: %w", err)
	}
	child := func(ctx context.Context, command, model string) *exec.Cmd {
		return exec.CommandContext(ctx, exe, command, "--profiles", f.folder, "--catalogue", f.catalogue,
			"--pictures", f.pictures, "--samples", strconv.Itoa(f.samples), "--budget", f.budget.String(), "--model", model)
	}
	j.Child = func(ctx context.Context, model string) *exec.Cmd { return child(ctx, "profile-cold", model) }
	j.Share = func(ctx context.Context, model string) *exec.Cmd { return child(ctx, "profile-share", model) }
	return j, nil
}

// settings are one of everything, then each dimension by itself.
func (f *profileFlags) settings() []measure.Setting {
	out := []measure.Setting{{Threads: 1, Batch: 1, Concurrency: 1}}
	add := func(s measure.Setting) {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, n := range f.threads {
		add(measure.Setting{Threads: n, Batch: 1, Concurrency: 1})
	}
	for _, n := range f.batches {
		add(measure.Setting{Threads: 1, Batch: n, Concurrency: 1})
	}
	for _, n := range f.concurrency {
		add(measure.Setting{Threads: 1, Batch: 1, Concurrency: n})
	}
	return out
}

// subjects are the models that were named, with their networks and the pictures.
func (f *profileFlags) subjects() ([]measure.Subject, error) {
	set, err := schema.Load(f.folder)
	if err != nil {
		return nil, err
	}
	c, err := set.Catalogue(f.catalogue)
	if err != nil {
		return nil, err
	}
	for _, name := range f.models {
		if m, ok := c.Model(name); !ok || m.File == "" {
			return nil, usagef("catalogue %s has no network of a model %q", f.catalogue, name)
		}
	}
	pictures, err := f.readPictures(set)
	if err != nil {
		return nil, err
	}
	var out []measure.Subject
	for i := range c.Models {
		m := &c.Models[i]
		if m.File == "" || len(f.models) > 0 && !slices.Contains(f.models, m.Name) {
			continue
		}
		onnx, err := set.NetworkOf(f.catalogue, m)
		if err != nil {
			return nil, err
		}
		out = append(out, measure.Subject{Name: m.Name, ONNX: onnx, Input: *m.Input, Pictures: pictures, Type: "image/png"})
	}
	if len(out) == 0 {
		return nil, usagef("catalogue %s has figures only and no networks to measure", f.catalogue)
	}
	return out, nil
}

func (f *profileFlags) readPictures(set *profiles.Set) ([][]byte, error) {
	files := set.Samples()
	if f.pictures != "" {
		files = os.DirFS(f.pictures)
	}
	names, err := fs.Glob(files, "*.png")
	if err != nil || len(names) == 0 {
		return nil, errors.Join(usagef("there are no PNG pictures in %q", f.pictures), err)
	}
	var out [][]byte
	for _, name := range names[:min(len(names), 256)] {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read a picture: %w", err)
		}
		out = append(out, raw)
	}
	return out, nil
}

// writeReport merges the figures into a file, whole or not at all.
func writeReport(file string, report measure.Report) error {
	old, err := measure.ReadReport(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	raw, err := json.MarshalIndent(old.Merge(report), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the measurement file: %w", err)
	}
	next := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".next")
	if err := os.WriteFile(next, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the measurement file: %w", err)
	}
	return os.Rename(next, file)
}
