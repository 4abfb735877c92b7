package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// costFlags are the flags of `paragon cost`, and what they lead to.
type costFlags struct {
	file, model, task   string
	front, path, over   string
	rate                float64
	overflow, busy      float64
	inputKB, resultKB   float64
	keyed, trialHours   float64
	boots               float64
	latencyMS           float64
	workers             int
	network             string
	stage               deployed
	settings            settings.Settings
	catalogue           *profile.Catalogue
	m                   *profile.Model
	tasks, pools        []string // of the stage, with those of added models; in order of name
	models              int      // that answer queries of these tasks
	function            sizing.Size
	serviceMS, capacity float64 // of a query on a worker; queries a second of one worker
}

// deployed is what the context of cdk.json says of a deployment.
type deployed struct {
	Catalogue  string   `json:"catalogue"`
	Profiles   string   `json:"profiles"` // folder, relative to the file's
	Tasks      []string `json:"tasks"`
	Arch       string   `json:"function_arch"`
	GenericMB  []int    `json:"generic_sizes"`
	OwnModels  string   `json:"own_models"` // file, relative to this one's folder
	Network    string   `json:"network"`
	Front      string   `json:"front"`
	Authorizer string   `json:"authorizer"`
	Sessions   bool     `json:"session_manager"`
	Collector  string   `json:"otlp_endpoint"`
	Pools      map[string]struct {
		Types []string `json:"instance_types"`
		Min   int      `json:"min"`
		Max   int      `json:"max"`
		Warm  int      `json:"warm"`
	} `json:"pools"`
	Settings map[string]string `json:"settings"`
}

// costBound is the latency bound in milliseconds when none is named.
const costBound = 500

const costLong = `Preview what a deployment will cost. The command reads cdk.json and prints the cost of a month at
the given load, of a million queries, and of a month without queries. Each amount covers the
workers, the inference functions and everything around them (gateway, store, queues, logs).

--path states how a client gets its answers:
  direct   in the response to its request
  batch10  in the response to a request with ten queries
  async    the request gets HTTP 202, and one later request reads the answer

The output also states the rate from which --front workers costs less than --front lambda, and
whether a plain function would cost less. A plain function is a single Lambda function behind the
same gateway, without Paragon.

The bill leaves out the AWS free tier, spot discounts and the transfer of answers to the internet.
docs/costs.md gives the source of each price.`

const costExample = `  paragon cost                             # an idle month
  paragon cost --rate 100 --overflow-share 0.05
  paragon cost --rate 1000 --path async --network public --json
  paragon cost --rate 2 --front lambda --overflow-path direct --workers 0`

func newCostCommand(term *cli.Terminal) *cobra.Command {
	f := &costFlags{}
	c := &cobra.Command{
		Use: "cost", Short: "Preview the monthly bill of a deployment at a given load",
		Long: costLong, Example: costExample, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runCost(term, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.file, "cdk-json", "cdk.json", "path of cdk.json, which has the options of the deployment")
	fs.Float64Var(&f.rate, "rate", 0, "queries per second, on average over the month")
	fs.Float64Var(&f.overflow, "overflow-share", 0.05, "share of the queries that inference functions answer")
	fs.Float64Var(&f.busy, "busy", 0.7, "share of the time in which a worker computes; it determines how many workers the rate needs")
	fs.StringVarP(&f.model, "model", "m", "", "model that answers (default the slowest, which gives the highest bill)")
	fs.Float64Var(&f.latencyMS, "latency-ms", costBound, "latency bound in milliseconds; it determines the memory size of the functions")
	fs.IntVar(&f.workers, "workers", -1, "mean number of workers in the pool (group of workers) whose name is first in the alphabet; every other pool has its min; -1: as many as the rate needs, within the pool's min and max")
	fs.StringVarP(&f.task, "task", "t", "", "task whose slowest model answers, if --model is not given (default: all tasks)")
	fs.StringVar(&f.network, "network", "", "network of the workers, private or public (default as in cdk.json)")
	fs.StringVar(&f.front, "front", "", "what receives requests behind the gateway: workers (behind a load balancer) or lambda (the api function) (default as in cdk.json)")
	fs.StringVar(&f.path, "path", string(pricing.Direct), "how a client gets its answer: direct, batch10 or async")
	fs.StringVar(&f.over, "overflow-path", string(pricing.OverflowQueue), "how a query reaches an inference function: queue (through the overflow queue) or direct (invoked by the process that received the query)")
	fs.Float64Var(&f.inputKB, "input-kb", 1, "size of a query's input in KB")
	fs.Float64Var(&f.resultKB, "result-kb", 0.3, "size of a query's result in KB")
	fs.Float64Var(&f.keyed, "keyed-share", 0, "share of the queries that have an Idempotency-Key")
	fs.Float64Var(&f.trialHours, "trial-hours", 0, "hours of the month in which a new version of a model is on trial")
	fs.Float64Var(&f.boots, "boots", 0, "times in the month that workers boot while no worker is ready; affects the bill only with --path async")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	term.CompleteFlag(c, "model", f.complete(f.deployable))
	term.CompleteFlag(c, "task", f.complete(func() []string { return f.tasks }))
	term.CompleteValues(c, "network", "private", "public")
	term.CompleteValues(c, "front", string(pricing.WorkersFront), string(pricing.LambdaFront))
	term.CompleteValues(c, "path", string(pricing.Direct), string(pricing.Batch10), string(pricing.Async))
	term.CompleteValues(c, "overflow-path", string(pricing.OverflowQueue), string(pricing.OverflowDirect))
	return c
}

func runCost(term *cli.Terminal, f *costFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.load(); err != nil {
		return err
	}
	b, err := f.bill()
	if err != nil {
		return err
	}
	if term.JSON {
		term.PrintJSON(b)
		return nil
	}
	printBill(term, b)
	return nil
}

// mostRate is for how many queries a second a bill or a fleet is computed at most.
const mostRate = 1e6

// mostWorkers is how many workers a bill is made for at most.
const mostWorkers = 100_000

func (f *costFlags) check() error {
	for _, n := range []struct {
		flag        string
		value, most float64
		above       bool // 0 itself is none
	}{
		{"rate", f.rate, mostRate, false}, {"overflow-share", f.overflow, 1, false}, {"busy", f.busy, 1, true}, {"latency-ms", f.latencyMS, 1e9, true},
		{"input-kb", f.inputKB, 1e5, false}, {"result-kb", f.resultKB, 1e5, false}, {"keyed-share", f.keyed, 1, false},
		{"trial-hours", f.trialHours, 744, false}, {"boots", f.boots, 1e5, false},
	} {
		low := "0 to"
		if n.above {
			low = "above 0 and at most"
		}
		if !(n.value >= 0 && n.value <= n.most) || n.above && n.value == 0 {
			return cli.Usagef("--%s is %v, and must be %s %s", n.flag, n.value, low, cli.Number(n.most, 4))
		}
	}
	if f.workers < -1 || f.workers > mostWorkers {
		return cli.Usagef("--workers is %d, and must be 0 to %s, or -1 for as many as the rate needs", f.workers, cli.Number(mostWorkers, 6))
	}
	for _, c := range []struct {
		flag, value string
		choices     []string
	}{
		{"network", f.network, []string{"", "private", "public"}},
		{"front", f.front, []string{"", string(pricing.WorkersFront), string(pricing.LambdaFront)}},
		{"path", f.path, []string{string(pricing.Direct), string(pricing.Batch10), string(pricing.Async)}},
		{"overflow-path", f.over, []string{string(pricing.OverflowQueue), string(pricing.OverflowDirect)}},
	} {
		if !slices.Contains(c.choices, c.value) {
			return cli.Usagef("--%s is %q, and must be one of %s%s", c.flag, c.value, strings.TrimLeft(strings.Join(c.choices, ", "), ", "), cli.Meant(c.value, c.choices))
		}
	}
	return nil
}
