package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"paragon/cmd/paragon/machine"
	"paragon/profiles"
	"paragon/shared/core/profile"
	"paragon/shared/core/settings"
)

// Catalogue is the one that is played, slowed down.
const Catalogue = "fashion"

const (
	instanceType  = "c5.large"
	bootSeconds   = 100 // of a VM
	keepAlive     = 10 * time.Minute
	mostFunctions = 16
	leastView     = 0.2 // seconds, as a busy machine still keeps up with
)

// writeProfiles writes the shipped profiles into a folder, with every model of
// the catalogue slowed down by the factor that makes the one that is used take
// ServiceMS on a runner. Small networks stand for large ones in this way; they
// really infer, and runners are then held to the time.
func (c Config) writeProfiles(dir string) (*profile.Catalogue, error) {
	if err := os.CopyFS(dir, profiles.Embedded()); err != nil {
		return nil, fmt.Errorf("write the profiles: %w", err)
	}
	set, err := profiles.Load(dir)
	if err != nil {
		return nil, err
	}
	as, err := set.Catalogue(Catalogue)
	if err != nil {
		return nil, err
	}
	m, ok := as.Model(c.Model)
	if !ok {
		return nil, fmt.Errorf("catalogue %s has no model %q", Catalogue, c.Model)
	}
	st, ok := as.OnVM(m, instanceType)
	if !ok {
		return nil, fmt.Errorf("nothing is known of %s on %s", c.Model, instanceType)
	}
	if err := slowDown(filepath.Join(dir, Catalogue, "catalogue.json"), c.ServiceMS/st.MS.P50); err != nil {
		return nil, err
	}
	slow, err := profiles.Load(dir)
	if err != nil {
		return nil, err
	}
	return slow.Catalogue(Catalogue)
}

// slowDown multiplies the service times of a catalogue's file. Cold starts stay.
func slowDown(file string, factor float64) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	var f profile.File
	if err := json.Unmarshal(raw, &f); err != nil {
		return fmt.Errorf("read the catalogue: %w", err)
	}
	for i := range f.Models {
		f.Models[i].Latency = slower(f.Models[i].Latency, factor)
	}
	if raw, err = json.Marshal(f); err != nil {
		return fmt.Errorf("write the catalogue: %w", err)
	}
	return os.WriteFile(file, raw, 0o600)
}

// slower leaves batches out: what they save of a millisecond says nothing of
// what they would save of a slow network. A paced runner takes the median every
// time, so that there is nothing beyond it.
func slower(all []profile.Latency, factor float64) []profile.Latency {
	var out []profile.Latency
	for _, l := range all {
		if l.Batch != 1 || l.Threads != 1 || l.Concurrency > 1 {
			continue
		}
		median := l.MS.P50 * factor
		l.MS, l.Confidence, l.PerSecond = profile.Percentiles{P50: median, P95: median, P99: median}, nil, 0
		out = append(out, l)
	}
	return out
}

// machine is the stage that is played against.
func (c Config) machine(dir string) machine.Config {
	cfg := machine.Defaults()
	cfg.Addr, cfg.DataDir, cfg.Log = "127.0.0.1:0", filepath.Join(dir, "data"), c.Log
	cfg.ProfilesDir, cfg.Catalogue, cfg.InstanceType = filepath.Join(dir, "profiles"), Catalogue, instanceType
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
	"hedge_ahead_seconds", "hold_limit_seconds", "stale_seconds", "watch_seconds", "scale_in_wait_seconds", "boot_limit_seconds",
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
