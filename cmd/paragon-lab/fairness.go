package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/internal/operator"
	"github.com/paragon-serving/paragon/cmd/paragon-lab/up"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/lab/fairness"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

const fairnessLong = `Measure how much one caller's load slows down another caller on the same stage. In each
round, the command measures the latencies of a quiet caller four times:
  - while no other caller sends queries
  - while a second caller sends 60 pictures of 16 megapixels
  - while the second caller sends small pictures at 20 times its fair share of the queries
  - while processes with endless loops run outside the stage, with idle priority

The command measures two stages on this machine, one after the other. The runners (the parts of a
worker that answer one query at a time) need a millisecond for a query in the first stage, and
100 ms in the second stage. The command generates docs/lab/fairness.md.`

// fairnessStage is a stage that is measured, with the loads of its two callers.
type fairnessStage struct {
	name, about string
	serviceMS   float64  // of fairnessModel on a runner; 0 leaves the profiles as they are
	args        []string // of paragon up
	quiet       float64  // queries a second of the quiet caller
	share       float64  // what is its share of the stage
}

const (
	fairnessModel            = "cnn"
	fairnessWorkers          = 2
	fairnessTimes            = 20
	largePictures, largeRate = 60, 15 // how many, and how many a second
	fairnessLatencyMS        = 1000
	largeLatencyMS           = 10000
	largeLasts               = largePictures * time.Second / largeRate
)

// fairnessStages are those that are measured. The first one has as share what its
// setting owner_rate gives each caller; in the second one it is a half of what the
// runners carry, and fair queuing alone divides them.
func fairnessStages() []fairnessStage {
	slowMS := 100.0
	capacity := fairnessWorkers * 2 * 1000 / slowMS
	return []fairnessStage{
		{name: "Runners that take a millisecond", quiet: 30, share: 60, args: []string{"--unpaced", "--set", "owner_rate=60"},
			about: "The models ran at full speed. The share of a caller was the rate that the setting `owner_rate` allowed."},
		{name: "Runners that take 100 ms", quiet: 10, share: capacity / 2, serviceMS: slowMS,
			about: "The models were slowed down, and `" + fairnessModel + "` took 100 ms. The rate of a caller had no limit. The share of a caller was half of the throughput of all runners."},
	}
}

// fairnessFlags are the flags of `paragon-lab fairness`.
type fairnessFlags struct {
	rounds           int
	stretch          time.Duration
	binary, markdown string
}

func newFairnessCommand(term *cli.Terminal) *cobra.Command {
	f := &fairnessFlags{}
	c := &cobra.Command{
		Use: "fairness", Short: "Measure how much one caller's load slows down another caller", Args: cobra.NoArgs,
		Long: fairnessLong, Example: "  paragon-lab fairness --rounds 3\n  paragon-lab fairness --markdown docs/lab/fairness.md",
		RunE: func(c *cobra.Command, _ []string) error { return runFairness(c.Context(), term, f) },
	}
	c.Flags().IntVar(&f.rounds, "rounds", 5, "number of rounds on each stage, 1 to 50")
	c.Flags().DurationVar(&f.stretch, "for", 10*time.Second, "duration of each of the four measurements of a round, 5s to 10m")
	c.Flags().StringVar(&f.binary, "paragon", "", "path of the paragon binary to start (default the one in this program's folder)")
	c.Flags().StringVar(&f.markdown, "markdown", "", "file for the Markdown page (default stdout)")
	c.Flags().BoolVar(&term.JSON, "json", false, "print JSON")
	return c
}

func runFairness(ctx context.Context, term *cli.Terminal, f *fairnessFlags) (err error) {
	switch {
	case f.rounds < 1 || f.rounds > 50:
		return cli.Usagef("--rounds must be 1 to 50")
	case f.stretch < 5*time.Second || f.stretch > 10*time.Minute:
		return cli.Usagef("--for must be 5s to 10m")
	}
	if f.binary, err = binaryOr(f.binary); err != nil {
		return err
	}
	page := fairness.Page{Date: time.Now().Format(time.DateOnly), Machine: fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)}
	bar := term.Progress(len(fairnessStages()) * f.rounds * len(fairness.Neighbours))
	defer bar.Finish()
	for _, s := range fairnessStages() {
		measured, err := f.measure(ctx, term, s, bar)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		page.Stages = append(page.Stages, measured)
	}
	if f.markdown != "" {
		if err := os.WriteFile(f.markdown, []byte(page.Markdown()), 0o644); err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
	}
	switch {
	case term.JSON:
		term.PrintJSON(page)
	case f.markdown == "":
		term.Printf("%s", page.Markdown())
	}
	return nil
}

// measure brings a stage up and plays the rounds.
func (f *fairnessFlags) measure(ctx context.Context, term *cli.Terminal, s fairnessStage, bar cli.Progress) (out fairness.Stage, err error) {
	dir, err := os.MkdirTemp("", "paragon-fairness-")
	if err != nil {
		return out, fmt.Errorf("make a folder for the stage: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &fairnessRun{fairnessStage: s, term: term, dir: dir, stretch: f.stretch}
	if err := r.start(ctx, f.binary); err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, r.stage.Stop()) }()
	out.Name = s.name
	out.About = fmt.Sprintf("`paragon up` ran %d workers, each with 2 runners (one for each vCPU of a %s). %s The quiet caller sent %g queries a second for %g s. The noisy caller sent either %d large pictures (%d a second) or small pictures (%g a second). The rate of the small pictures was 20 times its share of %g a second.",
		fairnessWorkers, machine.Defaults().InstanceType, s.about, s.quiet, f.stretch.Seconds(), largePictures, largeRate, fairnessTimes*s.share, s.share)
	if _, err := r.play(ctx, fairness.Large); err != nil { // warms both kinds up, and is not counted
		return out, err
	}
	for round := range f.rounds {
		var played fairness.Round
		for i := range fairness.Neighbours {
			neighbour := fairness.Neighbours[(i+round)%len(fairness.Neighbours)]
			stretch, err := r.play(ctx, neighbour)
			if err != nil {
				return out, err
			}
			played = append(played, stretch)
			bar.Step(fmt.Sprintf("%s: %s", s.name, neighbour))
		}
		slices.SortFunc(played, func(a, b fairness.Stretch) int {
			return slices.Index(fairness.Neighbours, a.Neighbour) - slices.Index(fairness.Neighbours, b.Neighbour)
		})
		out.Rounds = append(out.Rounds, played)
	}
	return out, nil
}

// fairnessRun is a stage that is up.
type fairnessRun struct {
	fairnessStage
	term    *cli.Terminal
	dir     string
	stretch time.Duration
	stage   *up.Stage
	url     string
	tokens  [2]string // of the quiet caller and the noisy one
	seed    uint64
}

// play is one stretch, until both loads are answered.
func (r *fairnessRun) play(ctx context.Context, kind fairness.Neighbour) (fairness.Stretch, error) {
	out := fairness.Stretch{Neighbour: kind, LoadAverage: loadAverage()}
	other := r.neighbour(kind)
	if other != nil {
		if err := other.start(ctx); err != nil {
			return out, err
		}
	}
	quiet, err := r.quietLoad(ctx)
	if other != nil {
		noisy, noisyErr := other.wait()
		out.Noisy, err = noisy, errors.Join(err, noisyErr)
	}
	if err != nil {
		return out, err
	}
	out.Quiet = quiet.All
	return out, client.Sleep(ctx, time.Second) // what is left of it in the stage ends
}

// quietLoad sends from this process: what the noisy caller's program takes of its memory
// or connections is none of it.
func (r *fairnessRun) quietLoad(ctx context.Context) (load.Report, error) {
	b, err := loadBodies(&loadFlags{task: machine.Defaults().Catalogue, model: r.model(), latencyMS: fairnessLatencyMS, relaxedMS: fairnessLatencyMS}, pictures)
	if err != nil {
		return load.Report{}, err
	}
	cl, err := client.New(client.Config{Endpoint: r.url, Token: r.tokens[0], Attempts: 1, HTTP: client.NewHTTP(2000)})
	if err != nil {
		return load.Report{}, err
	}
	by, tally := caller(r.term, cl, b), load.NewTally()
	r.seed++
	load.Run(ctx, load.Plan{
		Times: arrivals.Even(r.quiet, r.stretch), StrictShare: 1, StrictMS: fairnessLatencyMS, RelaxedMS: fairnessLatencyMS,
		Inputs: b.inputs(), MaxOutstanding: 2000, Grace: grace(fairnessLatencyMS), Seed: r.seed,
	}, by.Clock, by.Send, tally.Add)
	return tally.Report(), ctx.Err()
}

// model is what queries insist on: what is paced, where something is.
func (r *fairnessRun) model() string {
	if r.serviceMS > 0 {
		return fairnessModel
	}
	return ""
}

// start brings the stage up and waits for its workers.
func (r *fairnessRun) start(ctx context.Context, binary string) error {
	args, err := r.upArgs()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(r.dir, "log"))
	if err != nil {
		return fmt.Errorf("create the file for the stage's log: %w", err)
	}
	defer log.Close()
	r.stage = &up.Stage{Binary: binary, Args: args, Log: log}
	if err := r.stage.Start(); err != nil {
		return err
	}
	cl, err := client.New(client.Config{Endpoint: "http://" + args[2], Operator: operator.InFolder(filepath.Join(r.dir, "data"))})
	if err == nil {
		err = awaitWorkers(ctx, cl, fairnessWorkers)
	}
	if err != nil {
		return errors.Join(err, r.stage.Stop())
	}
	return nil
}

// upArgs are those of paragon up, whose callers come as from other machines, each with a
// token. The address is the third.
func (r *fairnessRun) upArgs() ([]string, error) {
	local, err := up.FreeAddress()
	if err != nil {
		return nil, err
	}
	listen, err := up.FreeAddress()
	if err != nil {
		return nil, err
	}
	r.url = "http://" + listen
	tokens := filepath.Join(r.dir, "tokens")
	if err := r.writeTokens(tokens); err != nil {
		return nil, err
	}
	args := []string{"up", "--addr", local, "--data", filepath.Join(r.dir, "data"), "--listen", listen, "--tokens", tokens, "--proxies", "127.0.0.0/8",
		"--workers", fmt.Sprint(fairnessWorkers), "--boot-seconds", "1", "--set", "max_pixels=20000000"}
	if r.serviceMS > 0 {
		profiles, d := filepath.Join(r.dir, "profiles"), machine.Defaults()
		if _, err := machine.SlowProfiles(profiles, "", d.Catalogue, fairnessModel, d.InstanceType, r.serviceMS); err != nil {
			return nil, err
		}
		args = append(args, "--profiles", profiles)
	}
	return append(args, r.args...), nil
}

// loadAverage is the machine's over the last minute; 0 where it cannot be read.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var v float64
	if _, err := fmt.Sscan(strings.TrimSpace(string(text)), &v); err != nil {
		return 0
	}
	return v
}
