package main

import (
	"context"
	unique "crypto/rand"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/client"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/lab/load"
)

// loadFlags are the flags of `paragon-lab load`.
type loadFlags struct {
	rate, scale, strictShare, latencyMS, relaxedMS float64
	asyncShare, keyedShare, repeatShare            float64
	constant                                       bool
	trace, task, model, files, out                 string
	from, length                                   time.Duration
	seed                                           uint64
	outstanding                                    int

	// Not flags of load: what the queries of other measurements ask for besides.
	accuracy float64
	optimize query.Dimension
}

const loadLong = `Send queries as a rate or a trace says, whether or not earlier ones were answered
(an open loop), and report what their callers saw. Latency counts from the time
at which a query was due, so that a stall is charged to every query that it held
up. The server's own count, from acceptance, is printed too.

A trace is CSV: the header second,count (or minute,count, hour,count), then one
row a step from 0 on, without gaps. --out writes one row a query: intended_ms,
sent_ms, latency_ms, class, served_by, met, state, id.

--keyed-share of the queries have an idempotency key, and --repeat-share of those that
are answered are sent again: the repeat is due the first answer. --async-share do not
wait in their request and read their end later. What the server accepted and never
ended is counted as lost.

Interrupted, it stops sending and reports what it has.`

const loadExample = `  paragon-lab load --task fashion --rate 50 --for 1m
  paragon-lab load --task fashion --rate 400 --for 20s --strict-share 1 --latency-ms 200
  paragon-lab load --task fashion --trace berkeley.csv --scale 20 --from 2h --for 10m
  paragon-lab load --task fashion --rate 50 --keyed-share 0.5 --repeat-share 0.5 --async-share 0.3
  paragon-lab load --task fashion --rate 100 --json --out rows.csv | jq .strict.latency_ms.p99`

func newLoadCommand(term *cli.Terminal) *cobra.Command {
	f := &loadFlags{}
	c := &cobra.Command{
		Use: "load [flags]", Short: "Drive load and report latency, bounds kept and cost",
		Long: loadLong, Example: loadExample,
		RunE: func(c *cobra.Command, _ []string) error { return runLoad(c.Context(), term, f) },
	}
	fs := c.Flags()
	fs.StringVarP(&f.task, "task", "t", "", "what to do, as paragon models lists it")
	fs.StringVarP(&f.model, "model", "m", "", "insist on a model")
	fs.Float64Var(&f.rate, "rate", 0, "queries a second, as a Poisson process")
	fs.BoolVar(&f.constant, "constant", false, "space the queries of --rate evenly")
	fs.StringVar(&f.trace, "trace", "", "CSV file of counts a step, instead of --rate")
	fs.Float64Var(&f.scale, "scale", 1, "multiply the counts of the trace")
	fs.DurationVar(&f.from, "from", 0, "where in the trace to begin")
	fs.DurationVar(&f.length, "for", 0, "how long to send (default 30s, or the whole trace)")
	fs.Float64Var(&f.strictShare, "strict-share", 0.5, "share of strict queries, 0 to 1")
	fs.Float64Var(&f.latencyMS, "latency-ms", 1000, "latency bound of strict queries in milliseconds")
	fs.Float64Var(&f.relaxedMS, "relaxed-latency-ms", 10000, "latency bound of relaxed queries in milliseconds")
	fs.Float64Var(&f.asyncShare, "async-share", 0, "share of queries that do not wait in their request, 0 to 1")
	fs.Float64Var(&f.keyedShare, "keyed-share", 0, "share of queries with an idempotency key, 0 to 1")
	fs.Float64Var(&f.repeatShare, "repeat-share", 0, "share of the answered queries with a key that are sent again, 0 to 1")
	fs.StringVar(&f.files, "files", "", "folder of pictures to draw from (default the samples that come with the product)")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of arrivals, classes and pictures")
	fs.IntVar(&f.outstanding, "max-outstanding", 2000, "queries without an answer beyond which sending waits")
	fs.StringVar(&f.out, "out", "", "CSV file for one row a query")
	term.CompleteNames(c)
	return term.ServerCommand(c)
}

// maxLoadMS is the largest latency bound that a server takes, in milliseconds.
const maxLoadMS = 3_600_000

// check refuses what needs no server to be refused.
func (f *loadFlags) check() error {
	switch {
	case f.task == "" && f.model == "":
		return cli.Usagef("name a task with --task; `paragon models` lists them")
	case (f.rate != 0) == (f.trace != ""):
		return cli.Usagef("give --rate or --trace, and not both")
	case f.trace == "" && !(f.rate > 0 && f.rate <= 1e6):
		return cli.Usagef("--rate is in queries a second, above 0 and at most 1000000")
	case !(f.scale > 0 && f.scale <= 1e6):
		return cli.Usagef("--scale is above 0 and at most 1000000")
	case !isShare(f.strictShare):
		return cli.Usagef("--strict-share is a share, 0 to 1")
	case !isShare(f.asyncShare) || !isShare(f.keyedShare) || !isShare(f.repeatShare):
		return cli.Usagef("--async-share, --keyed-share and --repeat-share are shares, 0 to 1")
	case !(f.latencyMS > 0 && f.latencyMS <= maxLoadMS) || !(f.relaxedMS > 0 && f.relaxedMS <= maxLoadMS):
		return cli.Usagef("--latency-ms and --relaxed-latency-ms are above 0 and at most %d", maxLoadMS)
	case f.length < 0 || f.from < 0:
		return cli.Usagef("--for and --from are not negative")
	case f.outstanding < 1 || f.outstanding > 50000:
		return cli.Usagef("--max-outstanding is 1 to 50000")
	}
	return nil
}

func isShare(v float64) bool { return v >= 0 && v <= 1 }

func runLoad(ctx context.Context, term *cli.Terminal, f *loadFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	times, length, err := f.times()
	if err != nil {
		return err
	}
	bodies, err := loadBodies(term, f)
	if err != nil {
		return err
	}
	cl, err := term.Connect(ctx, client.Config{Attempts: 1, HTTP: client.NewHTTP(f.outstanding)})
	if err != nil {
		return err
	}
	if err := greet(ctx, cl, f); err != nil {
		return err
	}
	plan := load.Plan{
		Times: times, StrictShare: f.strictShare, StrictMS: f.latencyMS, RelaxedMS: f.relaxedMS,
		Inputs: bodies.inputs(), MaxOutstanding: f.outstanding, Grace: grace(max(f.latencyMS, f.relaxedMS)), Seed: f.seed,
		AsyncShare: f.asyncShare, KeyedShare: f.keyedShare, RepeatShare: f.repeatShare, Keys: unique.Text(),
	}
	by := caller(term, cl, bodies)
	plan.Again = by.Again
	return driveLoad(ctx, term, f, plan, length, by.Send)
}

// times are when queries are due, and for how long.
func (f *loadFlags) times() (arrivals.Times, time.Duration, error) {
	random := rand.New(rand.NewPCG(f.seed, load.ArrivalStream))
	if f.trace == "" {
		length := f.length
		if length == 0 {
			length = 30 * time.Second
		}
		if f.constant {
			return arrivals.Even(f.rate, length), length, nil
		}
		return arrivals.Poisson(f.rate, length, random), length, nil
	}
	file, err := os.Open(f.trace)
	if err != nil {
		return nil, 0, cli.Mistake(err)
	}
	defer file.Close()
	t, err := arrivals.ReadTrace(file)
	if err != nil {
		return nil, 0, cli.Usagef("%s: %v", f.trace, err)
	}
	if t, err = t.Window(f.from, f.length); err != nil {
		return nil, 0, cli.Usagef("%v", err)
	}
	return t.Scaled(f.scale).Times(random), t.Duration(), nil
}

// grace is how long the last queries are waited for: until they have expired,
// with time for the last look at each.
func grace(latencyMS float64) time.Duration {
	var accepted time.Time
	return query.ExpiresAt(accepted, latencyMS).Sub(accepted) + 30*time.Second
}

// greet finds out before the first query whether the server is there and
// knows what is asked, so that a mistake is one message and not thousands.
func greet(ctx context.Context, cl *client.Client, f *loadFlags) error {
	models, err := cl.Models(ctx)
	if err != nil {
		return err
	}
	for _, m := range models {
		if (f.task == "" || m.Task == f.task) && (f.model == "" || m.Name == f.model) {
			return nil
		}
	}
	return cli.Usagef("nothing here does task %q with model %q; `paragon models` lists what there is", f.task, f.model)
}

// caller sends queries to a server, each once.
func caller(term *cli.Terminal, cl *client.Client, b bodies) load.Caller {
	return load.Caller{Submits: cl, Reads: cl, Body: b.of, Wait: cli.LongestWait, Clock: load.Clock{Now: term.Now, Sleep: term.Sleep}}
}
