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

const profileLong = `Measure the latency of a catalogue's models on this machine, from a query's input to the model's
outputs. A catalogue is a set of models with their profiles. The command first measures one thread,
one caller and one input in an inference. Then it varies one of these numbers at a time, over the
values of --threads, --batch and --concurrency. It prints the 50th, 95th and 99th percentile with
their 95 % confidence intervals. It measures cold starts separately. A cold start is the time to
start a process, to load the library and the model, and to give a first answer, minus the time of a
warm run.

--clock thread measures the CPU time of the inference thread, which excludes the time of other
processes. It works with one thread and one caller only.

On an EC2 instance, --resource auto reads the instance type from the instance metadata. --out then
stores the measurements for this type. Without --resource, it stores them for the catalogue's
reference machine (the machine of its measured or published service times).

--lambda STAGE measures the inference functions of a stage in an account, at the memory sizes of
--memory (default: all sizes of the catalogue). The functions themselves measure the times of warm
runs. To measure cold starts, the command starts --cold runs at the same time. --lambda local
measures the same functions as child processes of this machine. There, the memory size does not
change the CPU share.

--out writes the measurements to a file, and replaces earlier ones of the same models.
` + "`go generate ./profiles`" + ` generates the catalogue from such files. latency.json has the measurements
of the reference machine. latency-NAME.json has those of another resource (an instance type, or
functions).

--compare prints how the measurements differ from an earlier file. The exit status is 1 if a
measurement has changed by more than 10 % and by more than its confidence interval.`

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
	fs.StringVar(&f.pictures, "pictures", "", "folder of pictures, for models that take pictures: its *.png files, or its *.jpg files if it has no *.png (default: the samples of the catalogue, or else those of Paragon)")
	fs.IntSliceVar(&f.threads, "threads", nil, "numbers of threads for one inference, in addition to 1")
	fs.IntSliceVar(&f.batches, "batch", nil, "numbers of queries in one inference, in addition to 1; refused for a model whose answers depend on the other queries of the inference")
	fs.IntSliceVar(&f.concurrency, "concurrency", nil, "measure also with these numbers of concurrent callers, not only with one")
	fs.IntSliceVar(&f.memory, "memory", nil, "memory sizes of functions in MB; without --lambda, a control group limits the CPU to the share of such a function")
	fs.IntVar(&f.samples, "samples", 20000, "largest number of runs of each measurement")
	fs.DurationVar(&f.budget, "budget", 10*time.Second, "longest time of each measurement")
	fs.IntVar(&f.cold, "cold", 20, "number of cold starts of each model")
	fs.StringVar(&f.clock, "clock", "wall", `clock that times are measured with: "wall" for elapsed time, or "thread" for the CPU time of the thread`)
	fs.StringVar(&f.out, "out", "", "file to write the measurements into")
	fs.StringVar(&f.compare, "compare", "", "measurement file to compare with")
	fs.StringVar(&f.resource, "resource", "", `instance type of this machine, or "auto" to read it from the instance metadata (default the catalogue's reference machine)`)
	fs.StringVar(&f.lambda, "lambda", "", `stage whose Lambda functions are measured, or "local" for functions that run on this machine as processes`)
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	term.CompleteFlag(c, "catalogue", completeCatalogue(term, &f.folder, nil, catalogueNames))
	term.CompleteFlag(c, "model", completeCatalogue(term, &f.folder, &f.catalogue, modelsOfTask(nil)))
	term.CompleteValues(c, "clock", "wall", "thread")
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
		return j, cli.Usagef(`--clock must be "wall" or "thread"`)
	}
	if f.samples < 1 || f.cold < 0 || f.budget <= 0 {
		return j, cli.Usagef("--samples and --budget must be above 0, --cold must not be negative")
	}
	if slices.ContainsFunc(slices.Concat(f.threads, f.batches, f.concurrency), func(n int) bool { return n < 1 || n > 1024 }) {
		return j, cli.Usagef("--threads, --batch and --concurrency must be within 1 to 1024")
	}
	if slices.ContainsFunc(f.memory, func(mb int) bool { return mb < 128 || mb > 10240 }) {
		return j, cli.Usagef("--memory must be within 128 to 10240 MB")
	}
	var err error
	if j.Subjects, err = f.subjects(); err != nil {
		return j, err
	}
	exe, err := os.Executable()
	if err != nil {
		return j, fmt.Errorf("find the executable file of paragon, which runs as a separate process to measure cold starts and --memory: %w", err)
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
