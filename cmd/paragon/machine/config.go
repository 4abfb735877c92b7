// Package machine is the whole of Paragon on one machine: it wires the API,
// the dispatcher and the controller in this process, workers and inference
// functions as child processes, and one SQLite file under them all.
package machine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/paragon-serving/paragon/cmd/paragon/machine/remote"
	"github.com/paragon-serving/paragon/shared/core/loopback"
	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform/sqlite/supervisor"
)

// Pool names the one pool of workers that a machine runs.
const Pool = "general"

// Config says what to bring up.
type Config struct {
	Addr string // of the API; a port of 0 takes a free one
	// GRPCAddr is that of the Open Inference Protocol's gRPC service; empty means that
	// it is not served.
	GRPCAddr string
	// Remote is how other machines reach the API; its zero value means that none does.
	Remote  remote.Config
	DataDir string // holds everything that outlives the process
	Workers int    // how many, each a child process; with a scheme, how many to begin with
	// Scheme is the procurement scheme that moves the fleet; empty keeps it as it is.
	Scheme       string
	InstanceType string // what a worker stands for: its vCPUs are its runners
	// Boot is how long a worker takes to appear. A real VM takes 60 to 120 s.
	Boot time.Duration
	// BootGiven says that the caller chose Boot: then the scheme of a data folder that
	// was used before plans with it, too.
	BootGiven bool
	// Paced holds every runner to the service time of the profile it stands
	// for, so that a small machine shows a full fleet.
	Paced       bool
	ProfilesDir string // empty means the embedded profiles
	Catalogue   string // whose models are served
	// MaxFunctions bounds the environments of inference functions, as a Lambda
	// account's concurrency does; KeepAlive is how long an idle one stays warm.
	MaxFunctions int
	KeepAlive    time.Duration
	// BinDir holds the worker and inference binaries; empty means the folder of this one.
	BinDir string
	// GroupMax bounds the workers as an Auto Scaling group does; 0 means 64.
	GroupMax int
	// Fault reports what goes wrong with the nth worker launched; nil means nothing.
	Fault func(n int) supervisor.Fault
	// Traces is a file to which the spans of all processes are added; empty means
	// that they go where the OTEL_ variables say, if anywhere.
	Traces string
	// CallbackLoopback lets callbacks go to this machine, too, and by http.
	CallbackLoopback bool
	// Set holds settings to store before anything starts, by name.
	Set map[string]string
	Log *slog.Logger
	// DebugAddr is where the parent serves its profiles; the children then serve
	// theirs on ports of their own. Empty means that none does.
	DebugAddr string
}

// Defaults are what `paragon up` starts from.
func Defaults() Config {
	return Config{
		Addr: "127.0.0.1:8080", DataDir: "data", Workers: 2, InstanceType: "c5.large",
		Boot: 20 * time.Second, Paced: true, Catalogue: "fashion",
		MaxFunctions: 16, KeepAlive: 5 * time.Minute,
	}
}

// maxWorkers bounds the child processes of one machine.
const maxWorkers = 64

// groupMax is the most workers that the group allows.
func (c Config) groupMax() int { return cmp.Or(c.GroupMax, maxWorkers) }

// Mistake is a Config that cannot be used: nothing was started.
type Mistake struct{ Err error }

func (m *Mistake) Error() string { return m.Err.Error() }

// Unwrap gives the cause.
func (m *Mistake) Unwrap() error { return m.Err }

// check names the field that cannot be used, with its bound.
func (c Config) check() error {
	switch {
	case c.Workers < 0 || c.Workers > maxWorkers:
		return fmt.Errorf("--workers is %d, not within 0 to %d", c.Workers, maxWorkers)
	case c.Boot < 0 || c.Boot > time.Hour:
		return fmt.Errorf("--boot-seconds is %v, not within 0 s to 1 h", c.Boot)
	case c.MaxFunctions < 0 || c.MaxFunctions > 1000:
		return fmt.Errorf("--max-functions is %d, not within 0 to 1000", c.MaxFunctions)
	case c.KeepAlive <= 0:
		return fmt.Errorf("--keep-alive is %v, not above 0 s", c.KeepAlive)
	case c.DataDir == "":
		return errors.New("--data is empty: name a folder")
	}
	if c.GroupMax < 0 || c.GroupMax > maxWorkers {
		return fmt.Errorf("--group-max is %d, not within 0 to %d", c.GroupMax, maxWorkers)
	}
	if _, err := settings.Parse(c.first(nil)); err != nil {
		return fmt.Errorf("--set: %w", err)
	}
	if c.GRPCAddr != "" {
		if err := loopback.CheckAddr(c.GRPCAddr); err != nil {
			return fmt.Errorf("--grpc-addr %w", err)
		}
	}
	if err := loopback.CheckAddr(c.Addr); err != nil {
		return fmt.Errorf("--addr %w; other machines reach the API by --listen, with tokens", err)
	}
	return c.Remote.Check()
}

// fleetSetting is the setting that says whether the number of workers changes.
const fleetSetting = "fleet"

// PlannedBootSeconds is the boot time that schemes plan with: at most what the setting
// vm_boot_seconds may be.
func (c Config) PlannedBootSeconds() float64 { return min(900, c.Boot.Seconds()) }

// first are the settings to store before anything starts, in a data folder that has
// these: what the scheme makes of them, unless they are named.
func (c Config) first(have map[string]string) map[string]string {
	out := map[string]string{}
	switch {
	case c.Scheme != "":
		out[fleetSetting], out["scheme"] = settings.FleetMoving, c.Scheme
	case have[fleetSetting] == "": // a folder that was used before keeps what an operator made of its fleet
		out[fleetSetting] = settings.FleetFixed
	}
	if c.Scheme != "" || c.BootGiven && cmp.Or(c.Set[fleetSetting], have[fleetSetting]) == settings.FleetMoving {
		out["vm_boot_seconds"] = strconv.FormatFloat(c.PlannedBootSeconds(), 'g', -1, 64)
	}
	maps.Copy(out, c.Set)
	return out
}

// binary returns the path of one of the binaries that this one starts.
func (c Config) binary(name string) (string, error) {
	dir := c.BinDir
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find the binaries: %w", err)
		}
		dir = filepath.Dir(self)
	}
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("find the %s binary: %w", name, err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find the %s binary: %w; build it with `make build-local`", name, err)
	}
	return path, nil
}
