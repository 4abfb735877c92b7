package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/measure"
)

// profileFlags are the flags of `paragon profile`.
type profileFlags struct {
	folder, catalogue, out, compare, pictures, clock string
	resource, lambda                                 string
	models                                           []string
	threads, batches, concurrency, memory            []int
	samples, cold                                    int
	budget                                           time.Duration
}

const profileLong = `Measure the models of a catalogue on this machine: from an encoded picture to the
scores of its classes, in every combination of one thread and one picture with
the threads, batches and callers given, each with the 50th, 95th and 99th percentile and their 95 %
confidence intervals. A cold start is measured apart: a new process, the library,
the model and a first answer, less a warm run.

--clock thread counts the CPU time of the measuring thread and so leaves out what
others take of a shared machine; it is used for one thread and one caller only.

On an EC2 instance, --resource auto asks it for its type, so that the figures
describe that type and not the reference machine.

--lambda STAGE measures the inference functions of a stage in an account, with
the credentials of the AWS SDK's usual chain, at the sizes of --memory (default
all that the catalogue has): warm runs by the function's own clock, one after
another; cold starts apart, of --cold runs asked for at once. --lambda local
does so with the same functions as child processes of this machine, whose memory
buys no share of a CPU.

--out writes the figures in the form that the catalogues are made from (go
generate ./profiles), in place of the same models' earlier ones; a file holds one resource's figures,
and those of others go next to latency.json as latency-NAME.json. --compare shows
how the figures differ from an earlier file and ends with status 1 when one has
moved by more than a tenth and beyond its confidence.`

const profileExample = `  paragon profile --catalogue fashion
  paragon profile --model cnn --batch 1,4,16 --concurrency 1,2,4
  paragon profile --out profiles/fashion/latency.json && go generate ./profiles
  paragon profile --compare profiles/fashion/latency.json
  paragon profile --resource auto --out profiles/fashion/latency-c5.json
  paragon profile --lambda prod --memory 512,1769 --out profiles/fashion/latency-lambda.json`

func newProfileCommand(term *cli.Terminal) *cobra.Command {
	f := &profileFlags{}
	c := &cobra.Command{
		Use: "profile", Short: "Measure models on this machine", Long: profileLong, Example: profileExample,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runProfile(c.Context(), term, f) },
	}
	fs := c.Flags()
	cli.ProfilesFlag(fs, &f.folder, cli.AndNetworks)
	fs.StringVar(&f.catalogue, "catalogue", "fashion", "catalogue whose models are measured")
	fs.StringSliceVarP(&f.models, "model", "m", nil, "measure only these models")
	fs.StringVar(&f.pictures, "pictures", "", "folder of PNG pictures, else JPEG (default the samples that come with the product)")
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
	fs.StringVar(&f.resource, "resource", "", `instance type that this machine is, or "auto" to ask it (default the machine that others scale from)`)
	fs.StringVar(&f.lambda, "lambda", "", `measure the deployed functions of a stage instead, or "local" for this machine's`)
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

func runProfile(ctx context.Context, term *cli.Terminal, f *profileFlags) error {
	report, err := measureModels(ctx, term, f)
	if err != nil {
		return err
	}
	if f.out != "" {
		if err := writeReport(f.out, report); err != nil {
			return err
		}
	}
	if f.compare != "" {
		return compareProfiles(term, f.compare, report)
	}
	if term.JSON {
		term.PrintJSON(report)
		return nil
	}
	return printProfile(term, report)
}

// measureModels measures this machine, or the functions that were named.
func measureModels(ctx context.Context, term *cli.Terminal, f *profileFlags) (measure.Report, error) {
	if f.lambda != "" {
		return measureFunctions(ctx, term, f)
	}
	job, err := f.job(term.Now())
	if err != nil {
		return measure.Report{}, err
	}
	if job.Resource, err = f.resourceHere(ctx); err != nil {
		return measure.Report{}, err
	}
	bar := term.Progress(job.Steps())
	defer bar.Finish()
	job.Tick = bar.Step
	return job.Run(ctx)
}

// job turns the flags into what is to be measured.
func (f *profileFlags) job(now time.Time) (measure.Job, error) {
	j := measure.Job{
		Clock: f.clock, ColdRuns: f.cold, MemoryMB: f.memory, Today: now, File: f.file(),
		Plan: measure.Plan{Warmup: 50, Samples: f.samples, Budget: f.budget}, Settings: f.settings(),
	}
	switch f.clock {
	case "wall":
		j.Plan.Now = measure.Wall
	case "thread":
		j.Plan.Now = measure.ThreadCPU
	default:
		return j, cli.Usagef(`--clock is "wall" or "thread"`)
	}
	if f.samples < 1 || f.cold < 0 || f.budget <= 0 {
		return j, cli.Usagef("--samples and --budget are above 0, --cold is not negative")
	}
	if slices.ContainsFunc(slices.Concat(f.threads, f.batches, f.concurrency), func(n int) bool { return n < 1 || n > 1024 }) {
		return j, cli.Usagef("--threads, --batch and --concurrency are 1 to 1024")
	}
	if slices.ContainsFunc(f.memory, func(mb int) bool { return mb < 128 || mb > 10240 }) {
		return j, cli.Usagef("--memory is 128 to 10240 MB")
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

// file is where the figures will be found, below the profiles folder.
func (f *profileFlags) file() string {
	name := "latency.json"
	if f.out != "" {
		name = filepath.Base(f.out)
	}
	return path.Join(f.catalogue, name)
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
