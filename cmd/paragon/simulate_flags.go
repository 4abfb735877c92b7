package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"paragon/profiles/schema"
	"paragon/shared/core/arrivals"
	"paragon/shared/core/procurement"
	"paragon/shared/core/settings"
	"paragon/shared/evaluate"
	"paragon/shared/simulate"
)

// caseFlags are what a simulated case is made from: a trace, a market, and what
// the simulation assumes.
type caseFlags struct {
	folder, catalogue, format, layout, instance string
	generate                                    string
	shape                                       arrivals.Shape
	scale                                       float64
	superpose, workers, functionMB              int
	from, length, warmup                        time.Duration
	schemes                                     []string
	seed                                        uint64
	strictShare, strictMS, relaxedMS            float64
	boot, delay, keepAlive, tick                float64
	coldStarts                                  bool
	spot                                        simulate.Spot
	set                                         []string
	workload                                    int
}

// lengthOf is a length of time on the command line: a number of seconds, or with
// units, such as 90, 1h30m.
type lengthOf struct{ *time.Duration }

func (s lengthOf) String() string {
	if s.Duration == nil {
		return ""
	}
	return s.Duration.String()
}

func (s lengthOf) Type() string { return "seconds" }

func (s lengthOf) Set(text string) error {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		if !(n >= 0 && n <= 1e9) {
			return fmt.Errorf("%s is not 0 to 1e9 seconds", text)
		}
		*s.Duration = time.Duration(n * float64(time.Second))
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is neither seconds nor a length of time such as 1h30m", text)
	}
	*s.Duration = d
	return nil
}

func (f *caseFlags) add(fs *pflag.FlagSet) {
	profilesFlag(fs, &f.folder, figuresAlone)
	fs.StringVar(&f.catalogue, "catalogue", simulate.Measured, "profiles and prices: "+strings.Join(simulate.MarketNames(), " or "))
	fs.Float64Var(&f.scale, "scale", 1, "multiply the counts of the trace")
	fs.IntVar(&f.superpose, "superpose", 1, "add so many shifted copies of the trace, instead of multiplying")
	f.warmup = 20 * time.Minute
	fs.Var(lengthOf{&f.warmup}, "warmup", "of the trace before --from, played and neither counted nor billed")
	fs.StringSliceVar(&f.schemes, "scheme", []string{"all"}, "procurement schemes, or all: "+strings.Join(procurement.Names(), ", "))
	fs.Uint64Var(&f.seed, "seed", 1, "seed of all that is drawn by chance")
	fs.Float64Var(&f.strictShare, "strict-share", 0.5, "share of strict queries, 0 to 1")
	fs.Float64Var(&f.strictMS, "strict-ms", 1000, "latency bound of strict queries in milliseconds")
	fs.Float64Var(&f.relaxedMS, "relaxed-ms", 10000, "latency bound of relaxed queries in milliseconds")
	fs.Float64Var(&f.boot, "vm-boot-seconds", 100, "from the start of a worker's machine until it serves; billed")
	fs.Float64Var(&f.delay, "metric-delay-seconds", 60, "from an arrival to the controller")
	fs.Float64Var(&f.tick, "tick-seconds", 10, "how often the controller decides")
	fs.BoolVar(&f.coldStarts, "cold-starts", true, "functions start cold")
	fs.Float64Var(&f.keepAlive, "keep-alive-seconds", 600, "for which a function's environment stays warm")
	fs.StringVar(&f.layout, "layout", string(simulate.Shared), "pools: shared or per_model")
	fs.StringVar(&f.instance, "instance", "", "instance type of the workers (default the catalogue's)")
	fs.IntVar(&f.functionMB, "function-mb", -1, "memory of the functions; 0 takes the cheapest that meets the strict bound (default the catalogue's)")
	fs.IntVar(&f.workers, "workers", -1, "workers at the start; -1: as many as the first minute needs")
	fs.Float64Var(&f.spot.Share, "spot-share", 0, "share of the workers that are spot instances")
	fs.Float64Var(&f.spot.PriceFactor, "spot-price", 0.35, "price of a spot instance beside on demand")
	fs.Float64Var(&f.spot.InterruptionsPerHour, "spot-interruptions", 0.02, "interruptions of a spot instance an hour")
	fs.StringArrayVar(&f.set, "set", nil, "a setting of the schemes as NAME=VALUE; may be given again")
}

// addWindow adds what of a trace is played.
func (f *caseFlags) addWindow(fs *pflag.FlagSet) {
	fs.Var(lengthOf{&f.from}, "from", "where in the trace to begin")
	fs.Var(lengthOf{&f.length}, "for", "how long to play (default to the end)")
}

// addTrace adds what says which arrivals one trace has.
func (f *caseFlags) addTrace(fs *pflag.FlagSet) {
	fs.StringVar(&f.format, "format", "paragon", "format of the trace: "+strings.Join(arrivals.Formats(), ", "))
	fs.StringVar(&f.generate, "generate", "", "make a trace up instead: "+strings.Join(append(arrivals.Kinds(), evaluate.Lookalikes()...), ", "))
	fs.Float64Var(&f.shape.Rate, "rate", 50, "of a made-up trace, queries a second")
	fs.Float64Var(&f.shape.Peak, "peak", 150, "of a made-up trace, its other level")
	f.shape.Period, f.shape.At = 5*time.Minute, 30*time.Minute
	fs.Var(lengthOf{&f.shape.Period}, "period", "of a made-up trace: a day, a stay in a state, a crowd's fading")
	fs.Var(lengthOf{&f.shape.At}, "at", "of a made-up trace: when the step or the crowd comes")
}

// check refuses what needs no file to be refused.
func (f *caseFlags) check() error {
	switch {
	case !(f.scale > 0 && f.scale <= 1e6):
		return usagef("--scale is above 0 and at most 1000000")
	case f.superpose > 1 && f.scale != 1:
		return usagef("give --scale or --superpose, and not both")
	case !(f.strictShare >= 0 && f.strictShare <= 1):
		return usagef("--strict-share is a share, 0 to 1")
	case !(f.strictMS > 0) || !(f.relaxedMS > 0):
		return usagef("--strict-ms and --relaxed-ms are above 0")
	case !(f.delay >= 0 && f.delay <= 3600):
		return usagef("--metric-delay-seconds is 0 to 3600")
	case !slices.Contains(simulate.MarketNames(), f.catalogue):
		return usagef("--catalogue is %s", strings.Join(simulate.MarketNames(), " or "))
	case f.layout != string(simulate.Shared) && f.layout != string(simulate.PerModel):
		return usagef("--layout is shared or per_model")
	case !(f.spot.Share >= 0 && f.spot.Share <= 1) || !(f.spot.PriceFactor >= 0 && f.spot.PriceFactor <= 1) || !(f.spot.InterruptionsPerHour >= 0):
		return usagef("--spot-share and --spot-price are shares, --spot-interruptions is not negative")
	}
	return nil
}

// chosen are the schemes that were named.
func (f *caseFlags) chosen() ([]procurement.Scheme, error) {
	if slices.Contains(f.schemes, "all") {
		return procurement.All(), nil
	}
	var out []procurement.Scheme
	for _, name := range f.schemes {
		s, err := procurement.Get(strings.TrimSpace(name))
		if err != nil {
			return nil, usagef("%v", err)
		}
		out = append(out, s)
	}
	return out, nil
}

// tunables are the settings that were given, over the defaults.
func (f *caseFlags) tunables() (settings.Settings, error) {
	raw := map[string]string{"vm_boot_seconds": fmt.Sprint(f.boot), "tick_seconds": fmt.Sprint(f.tick)}
	for _, kv := range f.set {
		name, value, ok := strings.Cut(kv, "=")
		if !ok {
			return settings.Settings{}, usagef("--set takes NAME=VALUE, not %q", kv)
		}
		raw[strings.TrimSpace(name)] = value
	}
	s, err := settings.Parse(raw)
	if err != nil {
		return s, usagef("%v", err)
	}
	return s, nil
}

// market is the catalogue that was named, with what was changed of it.
func (f *caseFlags) market(name string) (simulate.Market, error) {
	set, err := schema.Load(f.folder)
	if err != nil {
		return simulate.Market{}, err
	}
	c, err := set.Catalogue("imagenet")
	if err != nil {
		return simulate.Market{}, err
	}
	then, err := set.Prices("us-east-1-2020")
	if err != nil {
		return simulate.Market{}, err
	}
	now, err := set.Prices("us-east-1-2026")
	if err != nil {
		return simulate.Market{}, err
	}
	m := simulate.Markets(c, then, now)[name]
	if f.instance != "" {
		m.InstanceType = f.instance
	}
	if f.functionMB >= 0 {
		m.FunctionMB = f.functionMB
	}
	return m, nil
}

// read reads a trace file in a format; faults name the file and the line.
func readTrace(file, format string) (arrivals.Trace, error) {
	r, err := os.Open(file)
	if err != nil {
		return arrivals.Trace{}, err
	}
	defer r.Close()
	t, err := arrivals.Import(format, io.Reader(r))
	if err != nil {
		return t, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// made is the trace that is made up.
func (f *caseFlags) made() (arrivals.Trace, error) {
	length := f.from + f.length
	if f.length == 0 {
		length = f.from + time.Hour
	}
	if slices.Contains(evaluate.Lookalikes(), f.generate) {
		return evaluate.Lookalike(f.generate, length, f.seed)
	}
	f.shape.Kind = f.generate
	t, err := arrivals.Generate(f.shape, length, rand.New(rand.NewPCG(f.seed, 21)))
	if err != nil {
		return t, usagef("%v", err)
	}
	return t, nil
}

// scaled brings a trace to its scale and says how.
func (f *caseFlags) scaled(t arrivals.Trace) (arrivals.Trace, string, error) {
	if f.superpose > 1 {
		out, err := t.Superposed(f.superpose)
		if err != nil {
			return out, "", usagef("%v", err)
		}
		return out, fmt.Sprintf("superpose %d", f.superpose), nil
	}
	return t.Scaled(f.scale), fmt.Sprintf("multiply %g", f.scale), nil
}

// of is the case of a trace.
func (f *caseFlags) of(name string, t arrivals.Trace, scaling, market string) (evaluate.Case, error) {
	m, err := f.market(market)
	if err != nil {
		return evaluate.Case{}, err
	}
	c := evaluate.New(name, t, m)
	if c.Settings, err = f.tunables(); err != nil {
		return c, err
	}
	c.Scaling, c.From, c.For, c.Warmup, c.Layout = scaling, f.from, f.length, f.warmup, simulate.Layout(f.layout)
	c.StrictShare, c.StrictMS, c.RelaxMS, c.Workers = f.strictShare, f.strictMS, f.relaxedMS, f.workers
	c.MetricDelay = time.Duration(f.delay * float64(time.Second))
	c.ColdStarts, c.KeepAliveSeconds, c.Spot, c.Seed = f.coldStarts, f.keepAlive, f.spot, f.seed
	return c, nil
}

// nameOf is a trace's name: its file without folder and ending.
func nameOf(file string) string {
	return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
}
