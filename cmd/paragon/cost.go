package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"paragon/profiles"
	"paragon/shared/core/pricing"
	"paragon/shared/core/profile"
	"paragon/shared/core/rightsizing"
	"paragon/shared/core/settings"
)

// costFlags are what `paragon cost` was told.
type costFlags struct {
	file, model    string
	rate           float64
	overflow, busy float64
	latencyMS      float64
	workers        int
	network        string
	stage          deployed
	settings       settings.Settings
	catalogue      *profile.Catalogue
	m              *profile.Model
	pools          []string // of the stage, in order of name
}

// deployed is what the context of cdk.json says of a deployment.
type deployed struct {
	Catalogue string   `json:"catalogue"`
	Profiles  string   `json:"profiles"` // folder, beside the file when it is relative
	Tasks     []string `json:"tasks"`
	Arch      string   `json:"function_arch"`
	Network   string   `json:"network"`
	Pools     map[string]struct {
		Types []string `json:"instance_types"`
		Min   int      `json:"min"`
		Max   int      `json:"max"`
	} `json:"pools"`
	Settings map[string]string `json:"settings"`
}

// costBound is the latency bound in milliseconds when none is named.
const costBound = 500

const costLong = `Preview what a deployment costs a month, before it is made: its workers and
inference functions at a given load, and what Paragon's own machinery takes,
query by query and for standing there. The deployment is what cdk.json says.

Left out are AWS's free amounts, spot discounts and transfer to the internet; the
first two only make it cheaper. docs/costs.md says where each figure comes from.`

const costExample = `  paragon cost                             # standing idle
  paragon cost --rate 100 --overflow-share 0.05
  paragon cost --rate 100 --network public --json`

func (a *app) costCommand() *cobra.Command {
	f := &costFlags{}
	c := &cobra.Command{
		Use: "cost", Short: "Preview the monthly bill of a deployment at a given load",
		Long: costLong, Example: costExample, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.cost(f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.file, "cdk-json", "cdk.json", "file whose context describes the deployment")
	fs.Float64Var(&f.rate, "rate", 0, "queries a second, on average over the month")
	fs.Float64Var(&f.overflow, "overflow-share", 0.05, "share of them that inference functions answer")
	fs.Float64Var(&f.busy, "busy", 0.7, "share of the time for which workers compute")
	fs.StringVarP(&f.model, "model", "m", "", "model that answers (default the slowest of the tasks, which makes the bill rather too high)")
	fs.Float64Var(&f.latencyMS, "latency-ms", costBound, "latency bound in milliseconds, which sizes the functions")
	fs.IntVar(&f.workers, "workers", -1, "workers, on average (default what the rate takes, within the pool's bounds)")
	fs.StringVar(&f.network, "network", "", "private or public (default what the deployment has)")
	fs.BoolVar(&a.json, "json", false, "print JSON")
	return c
}

func (a *app) cost(f *costFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := f.load(); err != nil {
		return err
	}
	load := pricing.Load{PerSecond: f.rate, OverflowShare: f.overflow}
	if sizes := rightsizing.Memory(f.catalogue, f.m, f.stage.Arch, f.latencyMS, 0); len(sizes) > 0 {
		load.FunctionUSD, load.FunctionMS = sizes[0].QueryUSD, sizes[0].ServiceMS
	}
	standing, err := f.standing()
	if err != nil {
		return err
	}
	b := bill{Model: f.m.Name, Lines: pricing.Month(f.catalogue.Prices, standing, load), Prices: f.catalogue.Prices.Name}
	b.add(load)
	if a.json {
		a.printJSON(b)
		return nil
	}
	a.printBill(b, f.rate)
	return nil
}

func (f *costFlags) check() error {
	if f.rate < 0 || f.rate > 1e6 {
		return usagef("--rate is %v: it is 0 to 1,000,000 queries a second", f.rate)
	}
	if f.overflow < 0 || f.overflow > 1 {
		return usagef("--overflow-share is %v: it is 0 to 1", f.overflow)
	}
	if f.busy <= 0 || f.busy > 1 {
		return usagef("--busy is %v: it is above 0 and at most 1", f.busy)
	}
	if f.latencyMS <= 0 {
		return usagef("--latency-ms is %v: it is above 0", f.latencyMS)
	}
	if !slices.Contains([]string{"", "private", "public"}, f.network) {
		return usagef("--network is %q: it is private or public", f.network)
	}
	return nil
}

// load reads the deployment and finds its catalogue and model.
func (f *costFlags) load() error {
	raw, err := os.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return usagef("there is no %s: run this in the folder of the deployment, or name the file with --cdk-json", f.file)
	}
	if err != nil {
		return err
	}
	file := struct{ Context *deployed }{&f.stage}
	if err := json.Unmarshal(raw, &file); err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	if f.network == "" {
		f.network = f.stage.Network
	}
	for name := range f.stage.Pools {
		f.pools = append(f.pools, name)
	}
	slices.Sort(f.pools)
	if f.settings, err = settings.Parse(f.stage.Settings); err != nil {
		return fmt.Errorf("%s: settings: %w", f.file, err)
	}
	folder := f.stage.Profiles
	if folder != "" && !filepath.IsAbs(folder) {
		folder = filepath.Join(filepath.Dir(f.file), folder)
	}
	set, err := profiles.Load(folder)
	if err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	if f.catalogue, err = set.Catalogue(f.stage.Catalogue); err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	return f.findModel()
}

// findModel takes the model that was named, or the slowest that deploys.
func (f *costFlags) findModel() error {
	if f.model != "" {
		m, ok := f.catalogue.Model(f.model)
		if !ok {
			return usagef("catalogue %s has no model %q", f.catalogue.Name, f.model)
		}
		f.m = m
		return nil
	}
	slowest := 0.0
	for i := range f.catalogue.Models {
		m := &f.catalogue.Models[i]
		st, ok := f.catalogue.OnFunction(m, f.stage.Arch, 1769)
		if m.File != "" && ok && slices.Contains(f.stage.Tasks, m.Task) && st.MS.P50 > slowest {
			f.m, slowest = m, st.MS.P50
		}
	}
	if f.m == nil {
		return fmt.Errorf("%s: no model with a network for the tasks %v", f.file, f.stage.Tasks)
	}
	return nil
}

// standing is the deployment with as many workers as the load takes. The first
// pool carries it, and the others stand at their least.
func (f *costFlags) standing() (pricing.Standing, error) {
	s := pricing.NewStanding(f.network == "private", len(f.stage.Tasks), len(f.pools))
	s.TickSeconds, s.ViewSeconds = f.settings.TickSeconds, f.settings.ViewSeconds
	s.ArrivalSeconds = f.settings.ArrivalSeconds()
	for i, name := range f.pools {
		p := f.stage.Pools[name]
		if len(p.Types) == 0 {
			return s, fmt.Errorf("%s: pool %s has no instance type", f.file, name)
		}
		in, ok := f.catalogue.Instance(p.Types[0])
		if !ok {
			return s, fmt.Errorf("%s: pool %s: catalogue %s has no instance type %q", f.file, name, f.catalogue.Name, p.Types[0])
		}
		n := float64(p.Min)
		if i == 0 {
			n = min(max(n, f.carriers(in.Type)), float64(p.Max))
			if f.workers >= 0 {
				n = float64(f.workers)
			}
		}
		s.Workers = append(s.Workers, pricing.Workers{Instance: in, Count: n})
	}
	return s, nil
}

// carriers are how many workers of a type the rate keeps as busy as asked.
func (f *costFlags) carriers(instanceType string) float64 {
	slots, ok := rightsizing.OnVM(f.catalogue, f.m, instanceType, f.latencyMS, 0)
	if !ok || slots.PerSecond <= 0 {
		return 0
	}
	return math.Ceil(f.rate*(1-f.overflow)/(slots.PerSecond*f.busy) - 1e-9)
}
