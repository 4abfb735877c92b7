package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/core/sizing"
)

// selectFlags are the flags of `paragon select`.
type selectFlags struct {
	folder, catalogue, arch, optimize string
	need                              query.Need
	instances                         []string
	rate                              float64
	all                               bool
}

const selectLong = `Choose a model and an instance type or function size for a kind of query, from measured profiles. A
profile states the accuracy and the service times of a model on each instance type and function
size. The command needs no server and no account. The price of a query assumes that you start a new
instance for such queries, and that it is always busy.

You may bound the latency, the accuracy and the cost. If you bound two of them, the command
optimizes the third. Otherwise it optimizes the cost. --optimize names another quantity to optimize.
With weights (--weight-latency, --weight-accuracy, --weight-cost), the command optimizes a linear
combination of the three.

The output lists the candidates, best first, and states why each of the others lost. It also states
how many queries the chosen instance type runs at once, and which function is the cheapest. With
--rate, it states the cheapest fleets for that rate. A fleet is a number of instances of one type.
If no candidate meets the bounds, the command prints the nearest candidate, and exits with status 2.`

const selectExample = `  paragon select --task fashion --latency-ms 50 --accuracy 90
  paragon select --catalogue imagenet --task imagenet --latency-ms 500 --accuracy 80 --instances c5.large,m5.large
  paragon select --catalogue imagenet --task imagenet --latency-ms 500 --cost 2 --rate 100
  paragon select --task fashion --weight-latency 0.5 --weight-accuracy 0.5 --json`

func newSelectCommand(term *cli.Terminal) *cobra.Command {
	f := &selectFlags{}
	c := &cobra.Command{
		Use: "select", Short: "Choose a model, an instance type and a function size from the profiles",
		Long: selectLong, Example: selectExample, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runSelect(term, f) },
	}
	fs, n := c.Flags(), &f.need
	cli.ProfilesFlag(fs, &f.folder, cli.FiguresAlone)
	fs.StringVar(&f.catalogue, "catalogue", "fashion", "catalogue (set of models with their profiles) to choose from")
	fs.StringVarP(&n.Task, "task", "t", "fashion", "task of the query")
	fs.StringVarP(&n.Model, "model", "m", "", "consider only this model")
	fs.Float64Var(&n.Constraints.LatencyMS, "latency-ms", 0, "latency bound in milliseconds")
	fs.Float64Var(&n.Constraints.Accuracy, "accuracy", 0, "lowest accepted accuracy, in percent")
	fs.Float64Var(&n.Constraints.CostUSDPerMillion, "cost", 0, "highest accepted cost of a million such queries, in US dollars")
	fs.StringVar(&f.optimize, "optimize", "", "what to optimize: latency, accuracy or cost")
	fs.Float64Var(&n.Weights.Latency, "weight-latency", 0, "weight of latency in the optimized quantity, instead of --optimize")
	fs.Float64Var(&n.Weights.Accuracy, "weight-accuracy", 0, "weight of accuracy in the optimized quantity, instead of --optimize")
	fs.Float64Var(&n.Weights.Cost, "weight-cost", 0, "weight of cost in the optimized quantity, instead of --optimize")
	fs.StringSliceVar(&f.instances, "instances", nil, "instance types to choose from (default every type of the catalogue)")
	fs.StringVar(&f.arch, "arch", "x86_64", "architecture of the functions: x86_64 or arm64, or none to leave functions out")
	fs.Float64Var(&f.rate, "rate", 0, "queries per second: print the cheapest fleets for this rate")
	fs.BoolVar(&f.all, "all", false, "print every candidate (default the best 10)")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
	term.CompleteFlag(c, "catalogue", completeCatalogue(term, &f.folder, nil, catalogueNames))
	term.CompleteFlag(c, "task", completeCatalogue(term, &f.folder, &f.catalogue, tasksOf))
	term.CompleteFlag(c, "model", completeCatalogue(term, &f.folder, &f.catalogue, modelsOfTask(&n.Task)))
	term.CompleteFlag(c, "instances", completeCatalogue(term, &f.folder, &f.catalogue, instancesOf))
	term.CompleteValues(c, "optimize", "latency", "accuracy", "cost")
	term.CompleteValues(c, "arch", "x86_64", "arm64", "none")
	return c
}

// selected is what is printed as JSON.
type selected struct {
	selection.Ranked
	Slots  *sizing.Slots  `json:"slots,omitempty"`
	Memory []sizing.Size  `json:"memory,omitempty"`
	Fleets []sizing.Fleet `json:"fleets,omitempty"`
}

func runSelect(term *cli.Terminal, f *selectFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	set, err := schema.Load(f.folder)
	if err != nil {
		return err
	}
	c, err := set.Catalogue(f.catalogue)
	if err != nil {
		return err
	}
	offer, err := f.offer(c)
	if err != nil {
		return err
	}
	f.need.Optimize = query.Dimension(f.optimize)
	ranked, err := selection.Choose(f.need, offer)
	var none *selection.Unsatisfiable
	if errors.As(err, &none) && term.JSON {
		term.PrintJSON(none)
	}
	switch {
	case errors.Is(err, selection.ErrInvalid):
		return cli.Usagef("%v", err)
	case errors.Is(err, selection.ErrUnknownTask):
		return cli.Usagef("%v; catalogue %s has %s", err, c.Name, strings.Join(taskNames(c), ", "))
	case errors.Is(err, selection.ErrUnknownModel):
		return cli.Usagef("%v; this task has %s", err, strings.Join(modelNames(c, f.need.Task), ", "))
	case err != nil:
		return err
	}
	out := f.size(c, ranked)
	if term.JSON {
		term.PrintJSON(out)
		return nil
	}
	return printSelected(term, f, out)
}

// check refuses what contradicts itself, before anything is read.
func (f *selectFlags) check() error {
	c := f.need.Constraints
	switch {
	case f.optimize != "" && f.need.Weights != (query.Weights{}):
		return cli.Usagef("give either --optimize, which names one objective, or weights, which combine several")
	case f.optimize != "" && c.LatencyMS > 0 && c.Accuracy > 0 && c.CostUSDPerMillion > 0:
		return cli.Usagef("--optimize and bounds on all three of latency, accuracy and cost are given: leave one of the four out")
	case !(f.rate >= 0 && f.rate <= mostRate):
		return cli.Usagef("--rate is %v, and must be 0 to %s", f.rate, cli.Number(mostRate, 4))
	}
	return checkPercent(c.Accuracy)
}

func taskNames(c *profile.Catalogue) []string {
	var out []string
	for _, t := range c.Tasks {
		out = append(out, t.Name)
	}
	return out
}

func modelNames(c *profile.Catalogue, task string) []string {
	var out []string
	for _, m := range c.Models {
		if m.Task == task {
			out = append(out, m.Name)
		}
	}
	return out
}

// offer is everything that could be bought.
func (f *selectFlags) offer(c *profile.Catalogue) (selection.Offer, error) {
	o := selection.Offer{Catalogue: c, Planned: true}
	if f.arch != "none" {
		o.Arch = f.arch
	}
	types := f.instances
	if len(types) == 0 {
		for _, in := range c.Instances {
			types = append(types, in.Type)
		}
	}
	for _, typ := range types {
		if _, ok := c.Instance(typ); !ok {
			return o, cli.Usagef("catalogue %s has no instance type %q; without --instances the command compares all instance types of the catalogue", c.Name, typ)
		}
		o.Pools = append(o.Pools, selection.Pool{InstanceType: typ})
	}
	return o, nil
}

// latencyMS is the bound by which resources are sized: the one that was given, or else the
// default of a relaxed query.
func (f *selectFlags) latencyMS() float64 {
	return cmp.Or(f.need.Constraints.LatencyMS, settings.Defaults().DefaultLatencyMS)
}

// size adds how much of the winner's resource is needed.
func (f *selectFlags) size(c *profile.Catalogue, r selection.Ranked) selected {
	out := selected{Ranked: r}
	best := r.Chosen()
	m, _ := c.Model(best.Model) // the ranking has it from there
	bound := f.latencyMS()
	if slots, ok := sizing.SlotsOnVM(c, m, best.Resource.Name, bound, 0); ok {
		out.Slots = &slots
	}
	if f.arch != "none" {
		out.Memory = sizing.RankFunctions(c, m, f.arch, sizing.WantsOf(f.need, bound), sizing.Warm)
	}
	if f.rate > 0 {
		out.Fleets = sizing.RankInstances(c, m, f.rate, bound)
	}
	return out
}

const shownCandidates = 10

// threeDigits writes a number that is not known more exactly, rounded down.
func threeDigits(x float64) string {
	if !(x > 0) {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-2)
	return cli.Number(math.Floor(x/unit+1e-9)*unit, 3)
}

// boundWords names the latency bound by which resources are sized.
func (f *selectFlags) boundWords() string {
	if f.need.Constraints.LatencyMS > 0 {
		return "the latency bound"
	}
	return fmt.Sprintf("the latency bound (by default %s)", cli.Milliseconds(f.latencyMS()))
}

func printSelected(term *cli.Terminal, f *selectFlags, s selected) error {
	most := shownCandidates
	if f.all {
		most = len(s.Candidates)
	}
	if err := printCandidates(term, s.Candidates, most); err != nil {
		return err
	}
	best := s.Chosen()
	if s.Slots != nil {
		term.Printf("\nA %s runs %d queries at once and answers up to %s queries per second. If up to %s queries arrive at once, it still answers each within %s.\n",
			best.Resource.Name, s.Slots.Runners, threeDigits(s.Slots.PerSecond), threeDigits(float64(s.Slots.Places)), f.boundWords())
	}
	if len(s.Memory) > 0 {
		m := s.Memory[0]
		term.Printf("The cheapest function that keeps %s has %d MB: latency %s at p95, %s per million queries.\n", f.boundWords(), m.MemoryMB, cli.Milliseconds(m.P95MS), pricing.Dollars(m.QueryUSD*1e6))
	}
	if len(s.Fleets) > 0 {
		var fleets []string
		for _, fl := range s.Fleets[:min(3, len(s.Fleets))] {
			fleets = append(fleets, fmt.Sprintf("%d %s (%s an hour, %.0f %% busy)", fl.VMs, fl.InstanceType, pricing.Dollars(fl.HourUSD), 100*fl.Busy))
		}
		term.Printf("The cheapest fleets for %.4g queries per second: %s.\n", f.rate, strings.Join(fleets, "; or "))
	}
	term.Printf("Latencies in the table are the time of one inference in the profile (p99 on an instance, p95 on a function), without network and waiting.\n")
	return nil
}
