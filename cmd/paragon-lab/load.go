package main

import (
	"context"
	unique "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/api"
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

const loadLong = `Send queries at a rate or by a trace, without waiting for earlier answers (an open loop), and
report what the callers observed. The latency of a query counts from the time at which the query
was due, so a delay counts for every query that it affects. The report also has the latency that
the server measured, from the time at which it accepted the query.

A trace is a CSV file with the header second,count (or minute,count or hour,count), and one
row per step, from step 0 on, without gaps. --out writes one row per query: intended_ms,
sent_ms, latency_ms, class, served_by, met, state, id.

With --async-share, some requests do not wait for their answers. The command reads these answers
later. With --repeat-share, the command sends some of the answered queries with an idempotency key
again, and counts repeats that get another answer. An accepted query that never ended counts as
lost.

If the command is interrupted, it stops sending and reports the results so far.`

const loadExample = `  paragon-lab load --task fashion --rate 50 --for 1m
  paragon-lab load --task fashion --rate 400 --for 20s --strict-share 1 --latency-ms 200
  paragon-lab load --task fashion --trace berkeley.csv --scale 20 --from 2h --for 10m
  paragon-lab load --task fashion --rate 50 --keyed-share 0.5 --repeat-share 0.5 --async-share 0.3
  paragon-lab load --task fashion --rate 100 --json --out rows.csv | jq .strict.latency_ms.p99`

func newLoadCommand(term *cli.Terminal) *cobra.Command {
	f := &loadFlags{}
	c := &cobra.Command{
		Use: "load [flags]", Short: "Send load, and report latency, missed bounds and cost",
		Long: loadLong, Example: loadExample,
		RunE: func(c *cobra.Command, _ []string) error { return runLoad(c.Context(), term, f) },
	}
	fs := c.Flags()
	fs.StringVarP(&f.task, "task", "t", "", "task of the queries; paragon models lists the tasks")
	fs.StringVarP(&f.model, "model", "m", "", "name of the model that must answer (default any model of the task)")
	fs.Float64Var(&f.rate, "rate", 0, "mean number of queries per second, which are sent as a Poisson process")
	fs.BoolVar(&f.constant, "constant", false, "send the queries of --rate at equal intervals")
	fs.StringVar(&f.trace, "trace", "", "CSV file of a trace, with the number of arrivals in each step, instead of --rate")
	fs.Float64Var(&f.scale, "scale", 1, "factor by which to multiply the counts of the trace")
	fs.DurationVar(&f.from, "from", 0, "time in the trace at which to begin")
	fs.DurationVar(&f.length, "for", 0, "time for which to send (default 30s, or the whole trace)")
	fs.Float64Var(&f.strictShare, "strict-share", 0.5, "share of strict queries (those with the latency bound --latency-ms), 0 to 1")
	fs.Float64Var(&f.latencyMS, "latency-ms", 1000, "latency bound of strict queries in milliseconds")
	fs.Float64Var(&f.relaxedMS, "relaxed-latency-ms", 10000, "latency bound of relaxed queries in milliseconds")
	fs.Float64Var(&f.asyncShare, "async-share", 0, "share of queries that do not wait for their answer in the request, 0 to 1")
	fs.Float64Var(&f.keyedShare, "keyed-share", 0, "share of queries with an idempotency key, 0 to 1")
	fs.Float64Var(&f.repeatShare, "repeat-share", 0, "share of the answered queries with an idempotency key that are sent again, 0 to 1")
	fs.StringVar(&f.files, "files", "", "folder of inputs from which to choose at random, of the kind that the task takes: pictures, .txt files, or .json files with /v2 requests (default the shipped pictures, a made-up text, or zeros)")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of arrivals, classes and inputs")
	fs.IntVar(&f.outstanding, "max-outstanding", 2000, "largest number of unanswered queries; at this number, the command waits for an answer before it sends the next query")
	fs.StringVar(&f.out, "out", "", "CSV file for one row per query")
	term.CompleteNames(c)
	return term.ServerCommand(c)
}

// maxLoadMS is the largest latency bound that a server takes, in milliseconds.
const maxLoadMS = 3_600_000

// check refuses what needs no server to be refused.
func (f *loadFlags) check() error {
	switch {
	case f.task == "" && f.model == "":
		return cli.Usagef("name a task with --task; `paragon models` lists the tasks")
	case (f.rate != 0) == (f.trace != ""):
		return cli.Usagef("give either --rate or --trace, not both")
	case f.trace == "" && !(f.rate > 0 && f.rate <= 1e6):
		return cli.Usagef("--rate must be above 0 and at most 1000000 queries a second")
	case !(f.scale > 0 && f.scale <= 1e6):
		return cli.Usagef("--scale must be above 0 and at most 1000000")
	case !isShare(f.strictShare):
		return cli.Usagef("--strict-share must be 0 to 1")
	case !isShare(f.asyncShare) || !isShare(f.keyedShare) || !isShare(f.repeatShare):
		return cli.Usagef("--async-share, --keyed-share and --repeat-share must be 0 to 1")
	case !(f.latencyMS > 0 && f.latencyMS <= maxLoadMS) || !(f.relaxedMS > 0 && f.relaxedMS <= maxLoadMS):
		return cli.Usagef("--latency-ms and --relaxed-latency-ms must be above 0 and at most %d", maxLoadMS)
	case f.length < 0 || f.from < 0:
		return cli.Usagef("--for and --from must not be negative")
	case f.outstanding < 1 || f.outstanding > 50000:
		return cli.Usagef("--max-outstanding must be 1 to 50000")
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
	cl, err := term.Connect(ctx, client.Config{Attempts: 1, HTTP: client.NewHTTP(f.outstanding)})
	if err != nil {
		return err
	}
	like, err := greet(ctx, cl, f)
	if err != nil {
		return err
	}
	bodies, err := loadBodies(f, like)
	if err != nil {
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
// knows what is asked, so that a mistake is one message and not thousands. It returns a
// model of those that are asked.
func greet(ctx context.Context, cl *client.Client, f *loadFlags) (*api.Model, error) {
	models, err := cl.Models(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		if (f.task == "" || m.Task == f.task) && (f.model == "" || m.Name == f.model) {
			return &m, nil
		}
	}
	what := fmt.Sprintf("task %q", f.task)
	if f.model != "" {
		what = fmt.Sprintf("model %q of task %q", f.model, f.task)
	}
	return nil, cli.Usagef("the server has no %s; `paragon models` lists its models and tasks", what)
}

// caller sends queries to a server, each once.
func caller(term *cli.Terminal, cl *client.Client, b bodies) load.Caller {
	return load.Caller{Submits: cl, Reads: cl, Body: b.of, Wait: cli.LongestWait, Clock: load.Clock{Now: term.Now, Sleep: term.Sleep}}
}
