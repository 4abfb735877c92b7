package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/cmd/paragon-lab/demo"
	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/profiles"
	"github.com/paragon-serving/paragon/shared/api"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

const demoLong = `Play an hour of load against a stage on this machine, in a fraction of the time. At the end,
print the cost, the missed bounds, and what other schemes would have cost. A scheme is the rule that
sets the number of workers. The costs of other schemes are simulated for the same load.

Without --trace, the load is a flash crowd: for 18 minutes of the hour, the rate is ten times as
high as before and after. One second stands for --time-scale seconds of the trace. The command
divides all durations in seconds (ticks, boots, windows) by --time-scale, but changes no rates,
service times and latency bounds. After each inference, a runner waits until --service-ms have
passed, because the shipped networks are small.

With --functions=false, queries cannot overflow to inference functions.`

// demoFlags are what a demonstration is made from.
type demoFlags struct {
	cfg     demo.Config
	trace   string
	scale   float64
	rate    float64
	length  time.Duration
	from    time.Duration
	verbose bool
}

// newDemoCommand is `paragon-lab demo`.
func newDemoCommand(term *cli.Terminal) *cobra.Command {
	f := &demoFlags{}
	c := &cobra.Command{
		Use: "demo", Short: "Play an hour of load in a few minutes, and print the bill", Long: demoLong,
		Example: `  paragon-lab demo
  paragon-lab demo --scheme reactive --functions=false
  paragon-lab demo --trace wits.csv --scale 0.05 --from 1h --for 1h --time-scale 20 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), term, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.cfg.Scheme, "scheme", "paragon", "scheme (the rule that sets the number of workers), one of those of paragon-lab compare")
	fs.Float64Var(&f.cfg.TimeScale, "time-scale", 10, "seconds of the trace that the command plays in one second, 1 to 60")
	fs.BoolVar(&f.cfg.Functions, "functions", true, "run the stage with inference functions")
	fs.IntVar(&f.cfg.Workers, "workers", 1, "number of workers at the start")
	fs.StringVar(&f.trace, "trace", "", "CSV file of a trace, with the number of arrivals in each step (default a flash crowd)")
	fs.Float64Var(&f.scale, "scale", 1, "factor by which to multiply the counts of the trace")
	fs.DurationVar(&f.from, "from", 0, "time in the trace at which to begin")
	fs.DurationVar(&f.length, "for", time.Hour, "length of the part of the trace that is played")
	fs.Float64Var(&f.rate, "rate", 5, "queries per second before and after the flash crowd")
	fs.Float64Var(&f.cfg.StrictShare, "strict-share", 0.5, "share of strict queries (those with the latency bound --latency-ms), 0 to 1")
	fs.Float64Var(&f.cfg.StrictMS, "latency-ms", 1000, "latency bound of strict queries in milliseconds")
	fs.Float64Var(&f.cfg.RelaxedMS, "relaxed-latency-ms", 10000, "latency bound of relaxed queries in milliseconds")
	fs.Float64Var(&f.cfg.ServiceMS, "service-ms", 250, "time in milliseconds that each inference on a runner takes: after a faster inference, the runner waits until this time has passed")
	catalogueFlags(fs, &f.cfg)
	fs.StringToStringVar(&f.cfg.Set, "set", nil, "settings as NAME=VALUE; they replace the values that the command computes from --time-scale")
	fs.Uint64Var(&f.cfg.Seed, "seed", 1, "seed of arrivals, classes and inputs")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "log the events of the stage")
	return c
}

// catalogueFlags are which models are played.
func catalogueFlags(fs *pflag.FlagSet, cfg *demo.Config) {
	cli.ProfilesFlag(fs, &cfg.Profiles, cli.AndNetworks)
	fs.StringVar(&cfg.Catalogue, "catalogue", machine.Defaults().Catalogue, "catalogue whose models answer the queries")
	fs.StringVarP(&cfg.Model, "model", "m", "", "name of the model that answers the queries (default: cnn in the shipped catalogue; in another catalogue, the slowest model)")
}

// shippedModel answers the queries of a demonstration of the shipped catalogue.
const shippedModel = "cnn"

// chooseModel finds the model that is played, and refuses one that cannot be.
func chooseModel(cfg *demo.Config) error {
	set, err := profiles.Load(cfg.Profiles)
	if err != nil {
		return cli.Usagef("%v", err)
	}
	c, err := set.Catalogue(cfg.Catalogue)
	if err != nil {
		return cli.Usagef("--catalogue: %v", err)
	}
	if cfg.Model == "" && c.Name == machine.Defaults().Catalogue {
		cfg.Model = shippedModel
	}
	if cfg.Model == "" {
		cfg.Model = slowestOf(c)
	}
	if m, ok := c.Model(cfg.Model); !ok || !m.Runnable() {
		return cli.Usagef("--model: catalogue %s has no file of a model %q", c.Name, cfg.Model)
	}
	return nil
}

// slowestOf is the model of a catalogue that takes the longest; empty where none has a file.
func slowestOf(c *profile.Catalogue) (name string) {
	slowest := 0.0
	for i := range c.Models {
		m := &c.Models[i]
		if st, ok := c.OnVM(m, machine.Defaults().InstanceType); ok && m.Runnable() && st.MS.P50 > slowest {
			name, slowest = m.Name, st.MS.P50
		}
	}
	return name
}

func runDemo(ctx context.Context, term *cli.Terminal, f *demoFlags) error {
	if _, err := procurement.Get(f.cfg.Scheme); err != nil {
		return cli.Usagef("--scheme: %v", err)
	}
	err := chooseModel(&f.cfg)
	if err != nil {
		return err
	}
	if f.cfg.Trace, err = f.load(); err != nil {
		return err
	}
	f.cfg.Log = term.Logger(f.verbose)
	f.cfg.Sender = func(url string) (load.Send, int, error) { return sender(ctx, term, f, url) }
	if !term.JSON {
		f.cfg.Progress = demoProgress(term)
	}
	r, err := demo.Run(ctx, f.cfg)
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(r)
		return nil
	}
	return printDemo(term, r)
}

// load is the trace to play.
func (f *demoFlags) load() (arrivals.Trace, error) {
	if f.trace == "" {
		return demo.Crowd(f.rate, f.length), nil
	}
	file, err := os.Open(f.trace)
	if err != nil {
		return arrivals.Trace{}, cli.Usagef("open the trace: %v", err)
	}
	defer file.Close()
	t, err := arrivals.ReadTrace(file)
	if err == nil {
		t, err = t.Window(f.from, f.length)
	}
	if err != nil {
		return t, cli.Usagef("%s: %v", f.trace, err)
	}
	return t.Scaled(f.scale), nil
}

// sender sends queries of the demonstration's model.
func sender(ctx context.Context, term *cli.Terminal, f *demoFlags, url string) (load.Send, int, error) {
	cl, err := client.New(client.Config{Endpoint: url, Attempts: 1, HTTP: client.NewHTTP(2000)})
	if err != nil {
		return nil, 0, err
	}
	of := &loadFlags{model: f.cfg.Model, latencyMS: f.cfg.StrictMS, relaxedMS: f.cfg.RelaxedMS}
	like, err := greet(ctx, cl, of)
	if err != nil {
		return nil, 0, err
	}
	of.task = like.Task
	b, err := loadBodies(of, like)
	if err != nil {
		return nil, 0, err
	}
	return caller(term, cl, b).Send, b.inputs(), nil
}

// demoProgress prints how the fleet stands, every few seconds.
func demoProgress(term *cli.Terminal) func(at, of time.Duration, s api.Status) {
	const every = 5 * time.Second
	next := time.Duration(0)
	return func(at, of time.Duration, s api.Status) {
		if at < next {
			return
		}
		next = at + every
		p := s.Pools[0]
		rate := s.Classes["strict"].ArrivalsPerSecond + s.Classes["relaxed"].ArrivalsPerSecond
		fmt.Fprintf(term.Err, "%4.0f of %.0f s  %5.1f queries/s  %2d wanted  %2d booting  %2d ready  %3.0f %% on functions lately\n",
			at.Seconds(), of.Seconds(), rate, s.Desired[p.Name], p.Booting, p.Ready, 100*s.Overflow.Share)
	}
}

// largeError is the simulation's error of cost in percent from which a run's
// comparison with other schemes needs a warning.
const largeError = 5

func printDemo(term *cli.Terminal, r demo.Report) error {
	term.Printf("\n%d queries in %.0f s, which represent %.0f minutes, under scheme %s\n", r.Queries, r.Seconds, r.Seconds*r.TimeScale/60, r.Scheme)
	term.Printf("cost      %s\n", pricing.Dollars(r.CostUSD))
	term.Printf("bounds    met by %.2f %% of the strict queries, by %.2f %% of the strict queries without a cold start (%d queries had a cold start), and by %.2f %% of the relaxed queries\n",
		r.StrictMetPercent, r.StrictWarmMetPercent, r.ColdStarts, r.RelaxedMetPercent)
	term.Printf("failed    %d, interrupted %d\n", r.Failed, r.Interrupted)
	term.Printf("workers   %d at the start, %d at most, %d at the end, %.1f on average; the fleet grew %d times and shrank %d times\n",
		r.WorkersFirst, r.WorkersMost, r.WorkersLast, r.WorkersMean, r.Grew, r.Shrank)
	term.Printf("overflow  %.0f %% of the strict queries at the peak\n\n", r.PeakOverflowPercent)
	for _, m := range r.Moves {
		term.Printf("  %s\n", cli.OneLine(m))
	}
	term.Printf("\nThe same load, simulated. The error of the simulation, for the scheme that ran (%s), is %+.1f %% in cost and %+.1f %% in the number of workers:\n",
		r.Scheme, r.CostErrorPercent, r.WorkersErrorPercent)
	w := term.Table()
	w.Header("SCHEME\tCOST\tWORKERS\tSTRICT MISSED\tRELAXED MISSED")
	for _, o := range r.Others {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.2f %%\t%.2f %%\n", o.Scheme, pricing.Dollars(o.CostUSD), o.WorkersMean, o.StrictViolationPercent, o.RelaxedViolationPercent)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print the other schemes: %w", err)
	}
	if e := math.Abs(r.CostErrorPercent); !(e < largeError) {
		term.Printf("The error in cost is %.0f %%: differences between schemes below this error say nothing.\n", e)
	}
	return nil
}
