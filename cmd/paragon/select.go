package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paragon-serving/paragon/cmd/internal/cli"
	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/query"
	"github.com/paragon-serving/paragon/shared/core/selection"
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

const selectLong = `Choose model, resource and memory for a need from the profiles, without a server
and before anything is bought: every slot costs its full price. Bound none, one,
two or all of latency, accuracy and cost. With two bounds the third is optimised,
else the cost; --optimize names another objective, and weights make it a linear
combination of the three.

It prints the candidates in order, each with the reason it lost, the slots of the
chosen VM, and with --rate the fleet that carries that rate. A need that nothing
meets ends with status 2 and the nearest candidate.`

const selectExample = `  paragon select --task fashion --latency-ms 50 --accuracy 90
  paragon select --catalogue imagenet --task imagenet --latency-ms 500 --accuracy 80 --instances c5.large,m5.large
  paragon select --catalogue imagenet --task imagenet --latency-ms 500 --cost 2 --rate 100
  paragon select --task fashion --weight-latency 0.5 --weight-accuracy 0.5 --json`

func newSelectCommand(term *cli.Terminal) *cobra.Command {
	f := &selectFlags{}
	c := &cobra.Command{
		Use: "select", Short: "Choose model, resource and memory for a need, from the profiles",
		Long: selectLong, Example: selectExample, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runSelect(term, f) },
	}
	fs, n := c.Flags(), &f.need
	cli.ProfilesFlag(fs, &f.folder, cli.FiguresAlone)
	fs.StringVar(&f.catalogue, "catalogue", "fashion", "catalogue to choose from")
	fs.StringVarP(&n.Task, "task", "t", "fashion", "what to do")
	fs.StringVarP(&n.Model, "model", "m", "", "insist on a model")
	fs.Float64Var(&n.Constraints.LatencyMS, "latency-ms", 0, "latency bound in milliseconds")
	fs.Float64Var(&n.Constraints.Accuracy, "accuracy", 0, "least accuracy in percent")
	fs.Float64Var(&n.Constraints.CostUSDPerMillion, "cost", 0, "most that a million such queries may cost, in US dollars")
	fs.StringVar(&f.optimize, "optimize", "", "latency, accuracy or cost")
	fs.Float64Var(&n.Weights.Latency, "weight-latency", 0, "weight of latency, where nothing is named to be optimised")
	fs.Float64Var(&n.Weights.Accuracy, "weight-accuracy", 0, "likewise of accuracy")
	fs.Float64Var(&n.Weights.Cost, "weight-cost", 0, "likewise of cost")
	fs.StringSliceVar(&f.instances, "instances", nil, "instance types to choose from (default every type of the catalogue)")
	fs.StringVar(&f.arch, "arch", "x86_64", "architecture of the functions; none leaves them out")
	fs.Float64Var(&f.rate, "rate", 0, "queries a second that a fleet is to carry")
	fs.BoolVar(&f.all, "all", false, "print every candidate (default the best 10)")
	fs.BoolVar(&term.JSON, "json", false, "print JSON")
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
		return cli.Usagef("%v; it has %s", err, strings.Join(modelNames(c, f.need.Task), ", "))
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
		return cli.Usagef("--optimize names one objective and weights combine several: give one of the two")
	case f.optimize != "" && c.LatencyMS > 0 && c.Accuracy > 0 && c.CostUSDPerMillion > 0:
		return cli.Usagef("--optimize is given with three bounds: leave one of the four out")
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
			return o, cli.Usagef("catalogue %s has no instance type %q; without --instances all that it has are compared", c.Name, typ)
		}
		o.Pools = append(o.Pools, selection.Pool{InstanceType: typ})
	}
	return o, nil
}

// size adds how much of the winner's resource is needed.
func (f *selectFlags) size(c *profile.Catalogue, r selection.Ranked) selected {
	out := selected{Ranked: r}
	best := r.Chosen()
	m, _ := c.Model(best.Model) // the ranking has it from there
	bound := f.need.Constraints.LatencyMS
	if bound == 0 {
		bound = 10000
	}
	if slots, ok := sizing.SlotsOnVM(c, m, best.Resource.Name, bound, 0); ok {
		out.Slots = &slots
	}
	if f.arch != "none" {
		out.Memory = sizing.RankFunctions(c, m, f.arch, bound, sizing.Warm)
	}
	if f.rate > 0 {
		out.Fleets = sizing.RankInstances(c, m, f.rate, bound)
	}
	return out
}

const shownCandidates = 10

func printSelected(term *cli.Terminal, f *selectFlags, s selected) error {
	most := shownCandidates
	if f.all {
		most = len(s.Candidates)
	}
	if err := printCandidates(term.Out, s.Candidates, most); err != nil {
		return err
	}
	best := s.Chosen()
	if s.Slots != nil {
		term.Printf("\nA %s runs %d queries at once and answers up to %.0f a second. Of up to %d that are there together, each is answered within the bound.\n",
			best.Resource.Name, s.Slots.Runners, s.Slots.PerSecond, s.Slots.Places)
	}
	if len(s.Memory) > 0 {
		m := s.Memory[0]
		term.Printf("The cheapest function that keeps the bound has %d MB: %.4g ms at p95, $%.4f a million.\n", m.MemoryMB, m.P95MS, m.QueryUSD*1e6)
	}
	if len(s.Fleets) > 0 {
		var fleets []string
		for _, fl := range s.Fleets[:min(3, len(s.Fleets))] {
			fleets = append(fleets, fmt.Sprintf("%d %s ($%.4g an hour, %.0f %% busy)", fl.VMs, fl.InstanceType, fl.HourUSD, 100*fl.Busy))
		}
		term.Printf("%.4g queries a second take %s.\n", f.rate, strings.Join(fleets, "; or "))
	}
	term.Printf("Latencies are the p99 of a run by the profile, at full speed and without network and queue. The demonstration of `make run` paces its models to longer times.\n")
	return nil
}
