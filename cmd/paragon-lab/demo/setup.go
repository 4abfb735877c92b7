package demo

import (
	"maps"
	"path/filepath"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine"
	"github.com/paragon-serving/paragon/shared/core/profile"
	"github.com/paragon-serving/paragon/shared/core/settings"
)

const (
	instanceType  = "c5.large"
	bootSeconds   = 100 // of a VM
	keepAlive     = 10 * time.Minute
	mostFunctions = 16
	leastView     = 0.2 // seconds, as a busy machine still keeps up with
)

// writeProfiles writes the profiles into a folder, with the model that is used at
// ServiceMS on a runner and the others slowed down alike.
func (c Config) writeProfiles(dir string) (*profile.Catalogue, error) {
	return machine.SlowProfiles(dir, c.Profiles, c.Catalogue, c.Model, instanceType, c.ServiceMS)
}

// machine is the stage that is played against.
func (c Config) machine(dir string) machine.Config {
	cfg := machine.Defaults()
	cfg.Addr, cfg.DataDir, cfg.Log = "127.0.0.1:0", filepath.Join(dir, "data"), c.Log
	cfg.ProfilesDir, cfg.Catalogue, cfg.InstanceType = filepath.Join(dir, "profiles"), c.Catalogue, instanceType
	cfg.Workers, cfg.Scheme = c.Workers, c.Scheme
	cfg.Boot = time.Duration(bootSeconds / c.TimeScale * float64(time.Second))
	cfg.KeepAlive = c.keepAlive()
	cfg.MaxFunctions, cfg.Paced, cfg.Set = mostFunctions, true, c.settings()
	return cfg
}

// keepAlive is how long an idle environment of a function stays warm.
func (c Config) keepAlive() time.Duration {
	return max(30*time.Second, time.Duration(float64(keepAlive)/c.TimeScale))
}

// scaled are the settings that are times of the controller. How soon a backlog
// should be worked off goes with the bounds of queries, which stay.
var scaled = []string{
	"tick_seconds", "idle_seconds", "regression_seconds", "peak_window_seconds", "hedge_window_seconds",
	"hold_limit_seconds", "stale_seconds", "watch_seconds", "scale_in_wait_seconds", "boot_limit_seconds",
}

// settings are the defaults with their times scaled, as far as their ranges
// go, and those that were named.
func (c Config) settings() map[string]string {
	values := settings.Defaults().Values()
	out := map[string]string{"metric_settle_seconds": "2", "heartbeat_seconds": "1", "max_workers": "40", "scheme": c.Scheme,
		"max_overflow_concurrency": strconv.Itoa(mostFunctions)}
	out["view_seconds"] = strconv.FormatFloat(max(leastView, settings.Defaults().ViewSeconds/c.TimeScale), 'g', -1, 64)
	if !c.Functions {
		out["max_overflow_concurrency"] = "0"
	}
	for _, name := range scaled {
		f, _ := settings.Lookup(name)
		least, _ := strconv.ParseFloat(f.Min, 64)
		value, _ := strconv.ParseFloat(values[name], 64) // the defaults are numbers
		out[name] = strconv.FormatFloat(max(least, value/c.TimeScale), 'g', -1, 64)
	}
	maps.Copy(out, c.Set)
	return out
}
