package machine

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/paragon-serving/paragon/shared/core/settings"
	"github.com/paragon-serving/paragon/shared/platform"
)

// stored are settings in memory.
type stored map[string]string

func (s stored) Raw(context.Context) (map[string]string, int64, error) { return maps.Clone(s), 1, nil }

func (s stored) Set(_ context.Context, name, value string) error {
	s[name] = value
	return nil
}

// A data folder that was used before keeps whether its number of workers changes, unless a
// start says so.
func TestAStartKeepsTheFleetOfItsFolder(t *testing.T) {
	for name, c := range map[string]struct {
		before, scheme, given, want string
	}{
		"a new folder":                 {want: settings.FleetFixed},
		"a new folder, with a scheme":  {scheme: "paragon", want: settings.FleetMoving},
		"a moving fleet":               {before: settings.FleetMoving, want: settings.FleetMoving},
		"a fixed fleet":                {before: settings.FleetFixed, want: settings.FleetFixed},
		"a fixed fleet, with a scheme": {before: settings.FleetFixed, scheme: "paragon", want: settings.FleetMoving},
		"a moving fleet, to be fixed":  {before: settings.FleetMoving, given: settings.FleetFixed, want: settings.FleetFixed},
	} {
		have := stored{}
		if c.before != "" {
			have[fleetSetting] = c.before
		}
		cfg := Defaults()
		cfg.Scheme = c.scheme
		if c.given != "" {
			cfg.Set = map[string]string{fleetSetting: c.given}
		}
		m := &Machine{cfg: cfg, backend: platform.Backend{Settings: have}}
		if err := m.storeSettings(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have[fleetSetting] != c.want {
			t.Errorf("%s: %q, want %q", name, have[fleetSetting], c.want)
		}
	}
}

// A boot time that is given replaces that of a data folder whose number of workers changes,
// and a start says which values it replaced.
func TestTheBootTimeThatIsGivenHolds(t *testing.T) {
	moving := map[string]string{fleetSetting: settings.FleetMoving, "vm_boot_seconds": "30"}
	for name, c := range map[string]struct {
		before  map[string]string
		scheme  string
		given   bool
		set     map[string]string
		want    string
		replace map[string]string
	}{
		"given":                      {before: moving, given: true, want: "5", replace: map[string]string{"vm_boot_seconds": "30"}},
		"not given":                  {before: moving, want: "30"},
		"given with a scheme":        {before: moving, scheme: "paragon", given: true, want: "5", replace: map[string]string{"vm_boot_seconds": "30"}},
		"the setting is given, too":  {before: moving, given: true, set: map[string]string{"vm_boot_seconds": "7"}, want: "7", replace: map[string]string{"vm_boot_seconds": "30"}},
		"to move from now on":        {given: true, set: map[string]string{fleetSetting: settings.FleetMoving}, want: "5"},
		"given to a fixed fleet":     {before: map[string]string{fleetSetting: settings.FleetFixed}, given: true},
		"the same as in the folder":  {before: map[string]string{fleetSetting: settings.FleetMoving, "vm_boot_seconds": "5"}, given: true, want: "5"},
		"to a new folder, no scheme": {given: true},
	} {
		have := stored(maps.Clone(c.before))
		if have == nil {
			have = stored{}
		}
		cfg := Defaults()
		cfg.Scheme, cfg.Boot, cfg.BootGiven, cfg.Set = c.scheme, 5*time.Second, c.given, c.set
		m := &Machine{cfg: cfg, backend: platform.Backend{Settings: have}}
		if err := m.storeSettings(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have["vm_boot_seconds"] != c.want || !maps.Equal(m.Replaced(), c.replace) {
			t.Errorf("%s: %q, want %q; replaced %v", name, have["vm_boot_seconds"], c.want, m.Replaced())
		}
	}
}
