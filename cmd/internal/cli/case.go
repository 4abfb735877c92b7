package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paragon-serving/paragon/profiles/schema"
	"github.com/paragon-serving/paragon/shared/core/arrivals"
	"github.com/paragon-serving/paragon/shared/core/pricing"
	"github.com/paragon-serving/paragon/shared/core/procurement"
	"github.com/paragon-serving/paragon/shared/simulate"
	"github.com/paragon-serving/paragon/shared/simulate/comparison"
	"github.com/paragon-serving/paragon/shared/simulate/rivals"
)

// ofCatalogue is the memory of functions that was not given: no number that a caller means.
const ofCatalogue = math.MinInt

// CaseFlags are what a simulated case is made from besides its arrivals: a
// market, the schemes, and what the simulation assumes.
type CaseFlags struct {
	Folder, Catalogue string // of profiles and prices
	Layout            string
	// From and For bound what is played of the arrivals, after Warmup.
	From, For, Warmup time.Duration
	Scale             float64
	StrictShare       float64
	Seed              uint64
	// AsDeployed plays the schemes as a stage runs them, not by definition.
	AsDeployed bool
	// Warm is how many instances of each pool are prepared and stopped, as deployed.
	Warm int
	// ListItems is how many queries come in one request, as deployed.
	ListItems int

	instance                       string
	superpose, workers, functionMB int
	schemes                        []string
	strictMS, relaxedMS            float64
	boot, delay, keepAlive, tick   float64 // seconds
	coldStarts                     bool
	spot                           simulate.Spot
	spotTrace                      string
	set                            []string
}

// Add adds the flags.
func (f *CaseFlags) Add(fs *pflag.FlagSet) {
	ProfilesFlag(fs, &f.Folder, FiguresAlone)
	fs.StringVar(&f.Catalogue, "catalogue", simulate.Cocktail2022, "catalogue of profiles and prices: "+strings.Join(simulate.MarketNames(), " or "))
	fs.Float64Var(&f.Scale, "scale", 1, "factor by which to multiply the number of arrivals")
	fs.IntVar(&f.superpose, "superpose", 1, "number of time-shifted copies of the arrivals to add up, instead of --scale")
	f.ListItems = 1 // where no flag says otherwise
	f.Warmup = 20 * time.Minute
	fs.Var(DurationValue(&f.Warmup), "warmup", "time before --from that is also simulated; its queries and costs do not count")
	fs.StringSliceVar(&f.schemes, "scheme", []string{"all"}, "schemes, and rivals (rules of other systems), or all: "+strings.Join(rivals.Names(), ", "))
	fs.Uint64Var(&f.Seed, "seed", 1, "seed of all random numbers")
	fs.Float64Var(&f.StrictShare, "strict-share", 0.5, "share of strict queries (those with the bound --strict-ms), 0 to 1")
	fs.Float64Var(&f.strictMS, "strict-ms", 1000, "latency bound of strict queries in milliseconds")
	fs.Float64Var(&f.relaxedMS, "relaxed-ms", 10000, "latency bound of relaxed queries in milliseconds")
	fs.Float64Var(&f.boot, "vm-boot-seconds", 100, "seconds from the start of a worker's instance until the worker serves; this time is billed")
	fs.Float64Var(&f.delay, "metric-delay-seconds", 60, "seconds from an arrival until the controller's metrics contain it")
	fs.Float64Var(&f.tick, "tick-seconds", 10, "seconds between two decisions of the controller")
	fs.BoolVar(&f.coldStarts, "cold-starts", true, "simulate cold starts of functions")
	fs.Float64Var(&f.keepAlive, "keep-alive-seconds", 600, "seconds for which an idle environment of a function stays warm")
	fs.StringVar(&f.Layout, "layout", string(simulate.Shared), "pools (groups) of workers: shared (one for all models) or per_model (one for each model)")
	fs.StringVar(&f.instance, "instance", "", "instance type of the workers (default the catalogue's)")
	fs.IntVar(&f.functionMB, "function-mb", ofCatalogue, "memory of the functions in MB; 0 selects the cheapest size that keeps the latency bound of strict queries (default the catalogue's)")
	fs.Lookup("function-mb").DefValue = "0" // its text names the default
	fs.IntVar(&f.workers, "workers", -1, "number of workers at the start; -1 means as many as the load of the first minute needs")
	fs.Float64Var(&f.spot.Share, "spot-share", 0, "share of the workers that are spot instances, 0 to 1")
	fs.Float64Var(&f.spot.PriceFactor, "spot-price", 0.35, "price of a spot instance as a share of the on-demand price")
	fs.Float64Var(&f.spot.InterruptionsPerHour, "spot-interruptions", 0.02, "interruptions per hour of each spot instance")
	fs.StringVar(&f.spotTrace, "spot-trace", "", "CSV file with the number of available spot instances in each zone (header second,ZONE,...), instead of --spot-share; only for hedged and spothedge (the policy SpotHedge of SkyServe, not in --scheme all)")
	fs.Var(DurationValue(&f.spot.Offset), "spot-offset", "time in --spot-trace at which to begin; after the end of the file, it is read again")
	fs.StringArrayVar(&f.set, "set", nil, "setting of the simulated controller, as NAME=VALUE; may be given more than once")
}

// Complete completes those of the flags whose values are known.
func (f *CaseFlags) Complete(t *Terminal, c *cobra.Command) {
	t.CompleteValues(c, "catalogue", simulate.MarketNames()...)
	t.CompleteValues(c, "scheme", append([]string{"all"}, rivals.Names()...)...)
	t.CompleteValues(c, "layout", string(simulate.Shared), string(simulate.PerModel))
}

// Check refuses what needs no file to be refused.
func (f *CaseFlags) Check() error {
	switch {
	case !(f.Scale > 0 && f.Scale <= 1e6):
		return Usagef("--scale must be above 0 and at most 1000000")
	case f.superpose != 1 && f.Scale != 1:
		return Usagef("give either --scale or --superpose, not both")
	case !(f.StrictShare >= 0 && f.StrictShare <= 1):
		return Usagef("--strict-share must be 0 to 1")
	case f.workers < -1:
		return Usagef("--workers must be 0 or more, or -1 for as many workers as the first minute needs")
	case f.ListItems < 1:
		return Usagef("--list-items must be 1 to 100")
	case !(f.delay >= 0 && f.delay <= 3600):
		return Usagef("--metric-delay-seconds must be 0 to 3600")
	case !slices.Contains(simulate.MarketNames(), f.Catalogue):
		return Usagef("--catalogue must be %s", strings.Join(simulate.MarketNames(), " or "))
	case f.Layout != string(simulate.Shared) && f.Layout != string(simulate.PerModel):
		return Usagef("--layout must be shared or per_model")
	case f.spotTrace != "" && f.spot.Share > 0:
		return Usagef("give either --spot-trace or --spot-share, not both")
	case f.spotTrace == "" && f.spot.Offset != 0:
		return Usagef("--spot-offset needs --spot-trace")
	case !(f.spot.Share >= 0 && f.spot.Share <= 1) || !(f.spot.PriceFactor >= 0 && f.spot.PriceFactor <= 1) || !(f.spot.InterruptionsPerHour >= 0):
		return Usagef("--spot-share and --spot-price must be 0 to 1, and --spot-interruptions must not be negative")
	}
	return nil
}

// Chosen are the schemes that were named.
func (f *CaseFlags) Chosen() ([]procurement.Scheme, error) {
	if slices.Contains(f.schemes, "all") {
		return rivals.Schemes(), nil
	}
	var out []procurement.Scheme
	for _, name := range f.schemes {
		s, err := rivals.Get(strings.TrimSpace(name))
		if err != nil {
			return nil, Usagef("%v", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// values are the settings that were given, by name.
func (f *CaseFlags) values() (map[string]string, error) {
	raw := map[string]string{"vm_boot_seconds": fmt.Sprint(f.boot), "tick_seconds": fmt.Sprint(f.tick)}
	for _, kv := range f.set {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, Usagef("--set takes NAME=VALUE, not %q", kv)
		}
		raw[strings.TrimSpace(name)] = value
	}
	return raw, nil
}

// setSettings sets the settings of a case, by definition or as deployed.
func (f *CaseFlags) setSettings(c *comparison.Case) error {
	values, err := f.values()
	if err != nil {
		return err
	}
	if f.AsDeployed {
		c.AsDeployed = &simulate.AsDeployed{ListItems: f.ListItems, Warm: f.Warm, WarmUSDPerHour: pricing.WarmUSDPerHour(c.Market.Catalogue.Prices)}
		c.Settings, err = simulate.DeployedSettings(values)
		return err
	}
	if f.ListItems > 1 || f.Warm > 0 {
		return Usagef("--list-items and --warm need --as-stage")
	}
	c.Settings, c.Limits, err = simulate.Settings(values)
	return err
}

// Market is the catalogue that was named, with what was changed of it.
func (f *CaseFlags) Market(name string) (simulate.Market, error) {
	set, err := schema.Load(f.Folder)
	if err != nil {
		return simulate.Market{}, err
	}
	c, then, now, err := set.Evaluation()
	if err != nil {
		return simulate.Market{}, err
	}
	m := simulate.Markets(c, then, now)[name]
	if f.instance != "" {
		m.InstanceType = f.instance
	}
	if f.functionMB != ofCatalogue {
		m.FunctionMB = f.functionMB
	}
	return m, nil
}

// Scaled brings a trace to its scale and says how.
func (f *CaseFlags) Scaled(t arrivals.Trace) (arrivals.Trace, string, error) {
	if f.superpose != 1 {
		out, err := t.Superposed(f.superpose)
		if err != nil {
			return out, "", Usagef("%v", err)
		}
		return out, fmt.Sprintf("superpose %d", f.superpose), nil
	}
	return t.Scaled(f.Scale), fmt.Sprintf("multiply %g", f.Scale), nil
}

// readSpotTrace reads the recorded availability of spot instances that was named.
func (f *CaseFlags) readSpotTrace() error {
	if f.spotTrace == "" || f.spot.Availability != nil {
		return nil
	}
	a, err := ReadAvailability(f.spotTrace)
	f.spot.Availability = a
	return err
}

// ReadAvailability reads recorded availability of spot instances from a file.
func ReadAvailability(file string) (*simulate.Availability, error) {
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return simulate.ReadAvailability(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), r)
}

// Case is the case of a trace.
func (f *CaseFlags) Case(name string, t arrivals.Trace, scaling, market string) (comparison.Case, error) {
	m, err := f.Market(market)
	if err != nil {
		return comparison.Case{}, err
	}
	c := comparison.New(name, t, m)
	if err := f.setSettings(&c); err != nil {
		return c, err
	}
	c.Scaling, c.From, c.For, c.Warmup, c.Layout = scaling, f.From, f.For, f.Warmup, simulate.Layout(f.Layout)
	c.StrictShare, c.StrictMS, c.RelaxMS, c.Workers = f.StrictShare, f.strictMS, f.relaxedMS, f.workers
	c.MetricDelay = time.Duration(f.delay * float64(time.Second))
	if err := f.readSpotTrace(); err != nil {
		return c, err
	}
	c.ColdStarts, c.KeepAliveSeconds, c.Spot, c.Seed = f.coldStarts, f.keepAlive, f.spot, f.Seed
	return c, nil
}
