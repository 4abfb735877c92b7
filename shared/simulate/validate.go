package simulate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/paragon-serving/paragon/shared/core/settings"
)

// Invalid is a configuration that cannot be played. Its text names the part and
// its bounds.
type Invalid struct{ text string }

func (e *Invalid) Error() string { return e.text }

func invalidf(format string, args ...any) error { return &Invalid{fmt.Sprintf(format, args...)} }

// What bounds a configuration, apart from what its parts mean.
const (
	mostBoundMS    = 3600e3 // a latency bound
	mostKeepAlive  = 86400  // seconds for which an environment stays warm
	mostWorkers    = 100000 // at the start of a run
	mostRunners    = 64     // of a worker, which are bits of a word
	mostItems      = 100    // queries of a request
	mostConcurrent = 10000  // queries on functions at once, of what a run by definition has
	mostZones      = 100    // of recorded availability
	mostHourly     = 3600.  // interruptions of a spot instance
)

// Validate refuses what cannot be played.
func (c *Config) Validate() error {
	if len(c.Pools) == 0 || c.Scheme == nil {
		return invalidf("a run needs a pool and a scheme")
	}
	for _, check := range []func() error{c.validateWindow, c.validateQueries, c.validateFleet, c.validatePools} {
		if err := check(); err != nil {
			return err
		}
	}
	if c.AsDeployed != nil {
		if n := c.AsDeployed.Warm; n < 0 || n > mostWorkers {
			return invalidf("the warm instances are %d, not 0 to %d", n, mostWorkers)
		}
		if n := c.AsDeployed.ListItems; n < 0 || n > mostItems || n > 1 && len(c.Pools) > 1 {
			return invalidf("a request brings %d queries, not 1 to %d, and several to one pool only", n, mostItems)
		}
	}
	return nil
}

func (c *Config) validateWindow() error {
	if c.Warmup < 0 || c.MetricDelay < 0 {
		return invalidf("the warm-up is %s and the metrics' delay %s, not 0 or more", c.Warmup, c.MetricDelay)
	}
	if _, err := c.Trace.Window(c.From, c.For); err != nil {
		return invalidf("%v", err)
	}
	return nil
}

func (c *Config) validateQueries() error {
	if !(c.Strict >= 0 && c.Strict <= 1) {
		return invalidf("the share of strict queries is %v, not 0 to 1", c.Strict)
	}
	if !(c.StrictMS > 0 && c.StrictMS <= mostBoundMS) {
		return invalidf("the latency bound of strict queries is %v ms, not above 0 and at most %.0f", c.StrictMS, mostBoundMS)
	}
	if !(c.RelaxMS >= c.StrictMS && c.RelaxMS <= mostBoundMS) {
		return invalidf("the latency bound of relaxed queries is %v ms, not from that of strict ones, %v, to %.0f", c.RelaxMS, c.StrictMS, mostBoundMS)
	}
	for _, a := range c.Asks {
		if err := a.validate(c); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateFleet() error {
	switch s := c.Spot; {
	case c.Settings.TickSeconds < 1:
		return invalidf("a tick is %v s, not 1 or more", c.Settings.TickSeconds)
	case c.Workers > mostWorkers:
		return invalidf("the workers at the start are %d, not at most %d", c.Workers, mostWorkers)
	case c.Limits != nil && (c.Limits.MinWorkers < 0 || c.Limits.MaxWorkers < c.Limits.MinWorkers):
		return invalidf("the limits of %d to %d workers are not 0 or more, the least first", c.Limits.MinWorkers, c.Limits.MaxWorkers)
	case !(c.KeepAliveSeconds >= 0 && c.KeepAliveSeconds <= mostKeepAlive):
		return invalidf("a function's environment stays warm for %v s, not 0 to %d", c.KeepAliveSeconds, mostKeepAlive)
	case !(c.MinimumSeconds >= 0):
		return invalidf("the time billed of a worker is at least %v s, not 0 or more", c.MinimumSeconds)
	case !(s.Share >= 0 && s.Share <= 1) || !(s.PriceFactor >= 0 && s.PriceFactor <= 1):
		return invalidf("the share of spot instances is %v and their price %v of that on demand, not 0 to 1", s.Share, s.PriceFactor)
	case s.Availability != nil && s.Share > 0:
		return invalidf("spot instances are a share of the workers, %v, or as recorded, not both", s.Share)
	case s.Availability != nil && !s.Availability.valid():
		return invalidf("recorded availability of spot instances needs a step of a second or more, and 1 to %d zones in each of its rows", mostZones)
	case s.Availability != nil && c.AsDeployed != nil && c.AsDeployed.Warm > 0:
		return invalidf("warm instances are on demand, so that %d of them and spot instances as recorded do not go together", c.AsDeployed.Warm)
	case s.Offset < 0:
		return invalidf("the offset into recorded availability is %s, not 0 or more", s.Offset)
	case !(s.InterruptionsPerHour >= 0 && s.InterruptionsPerHour <= mostHourly):
		return invalidf("a spot instance is interrupted %v times an hour, not 0 to %.0f", s.InterruptionsPerHour, mostHourly)
	}
	return nil
}

func (c *Config) validatePools() error {
	for _, p := range c.Pools {
		if p.Runners < 1 || p.Runners > mostRunners || len(p.Models) == 0 || !(p.Share > 0) {
			return invalidf("pool %s needs 1 to %d runners a worker, models and a share of the arrivals", p.Name, mostRunners)
		}
		for _, m := range p.Models {
			if !(m.ServiceMS > 0) || !(m.FunctionMS > 0) {
				return invalidf("model %s has no service time", m.Name)
			}
		}
	}
	return nil
}

// played are the settings that a run by definition goes by. The others are a
// stage's: of its interface, of its workers and of the guard that stands between
// scheme and fleet.
var played = []string{
	"path_ms", "overflow_path_ms", "min_workers", "max_workers",
	"forecaster", "tick_seconds", "vm_boot_seconds", "backlog_seconds", "idle_seconds", "util_high", "util_low", "util_low_readings",
	"headroom", "regression_arrivals", "regression_seconds", "peak_window_seconds", "peak_to_median", "static_util",
	"hedge_window_seconds",
}

// shipped are the settings that the stack in an account ships with, besides the
// defaults: cdk.json has them.
var shipped = map[string]string{
	"path_ms": "80", "overflow_path_ms": "150", "floor_ms": "100", "max_overflow_concurrency": "100", "metric_settle_seconds": "7",
}

// DeployedSettings are the settings of a run that stands for a stage, from values by
// name: what is not given is as it ships, but for the most workers, which are the most
// that can be set.
func DeployedSettings(values map[string]string) (settings.Settings, error) {
	all := maps.Clone(shipped)
	for _, f := range settings.Fields() {
		if f.Name == "max_workers" {
			all[f.Name] = f.Max
		}
	}
	maps.Copy(all, values)
	s, err := settings.Parse(all)
	if err != nil {
		return s, invalidf("%v", err)
	}
	return s, nil
}

// Settings are the settings and the limits of a run by definition, from values
// by name. The number of workers has no bound unless one is given. What a run
// does not go by is refused, as it would change nothing.
func Settings(values map[string]string) (settings.Settings, *Limits, error) {
	for name := range values {
		known := slices.ContainsFunc(settings.Fields(), func(f settings.Field) bool { return f.Name == name })
		if known && !slices.Contains(played, name) {
			return settings.Settings{}, nil, invalidf("setting %s changes nothing in a simulation by definition, which goes by %v", name, played)
		}
	}
	s, err := settings.Parse(values)
	if err != nil {
		return s, nil, invalidf("%v", err)
	}
	s.MaxOverflowConcurrency = mostConcurrent // by definition functions have no bound
	_, least := values["min_workers"]
	_, most := values["max_workers"]
	if !least && !most {
		return s, nil, nil
	}
	limits := &Limits{MinWorkers: s.MinWorkers, MaxWorkers: s.MaxWorkers}
	if !most {
		limits.MaxWorkers = max(limits.MinWorkers, manyWorkers)
	}
	if limits.MaxWorkers < limits.MinWorkers {
		return s, nil, invalidf("min_workers is %d, not at most max_workers, %d", limits.MinWorkers, limits.MaxWorkers)
	}
	return s, limits, nil
}
